"""Puts speech together from its settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.tts.v1 import synthesizer_pb2_grpc
from earshot_chassis.bus import Bus
from earshot_chassis.service import Service
from earshot_topology.keeping import keep
from earshot_topology.streams import TTS_CACHE, TTS_OUTCOMES
from earshot_topology.subjects import TURN_FILLER, TURN_SPEECH_CANCELLED
from earshot_topology.tenancy import household_of
from earshot_tts import backfill
from earshot_tts.active import ActiveSpeech
from earshot_tts.beginning import SegmentBeginnings
from earshot_tts.cache.memory import MemoryCache
from earshot_tts.cache.sentences import SentenceCache
from earshot_tts.cache.shared import ObjectStoreCache
from earshot_tts.engines.base import Engine
from earshot_tts.engines.catalogue import create
from earshot_tts.handlers import Handlers, report
from earshot_tts.servicer import SynthesizerServicer
from earshot_tts.settings import TtsSettings
from earshot_tts.speaking import Speaker
from earshot_tts.synthesis import Synthesis
from earshot_tts.text.spans import warm
from earshot_tts.transport import SPEECH_STREAM, BusFrameSender, OutcomeSegments, SpeechCapture

_FILLER_QUEUE = "tts"


MakeEngine = Callable[[TtsSettings], Engine]


def engine_of(settings: TtsSettings) -> Engine:
    """Return the engine that the settings name, not yet started.

    Raises:
        EngineUnavailableError: There is none of that name, or a setting does not suit it.
    """
    return create(settings.engine, words_per_minute=settings.words_per_minute, recording=settings.recording)


def composition(settings: TtsSettings, make_engine: MakeEngine = engine_of) -> Callable[[Service], Awaitable[None]]:
    """Return what registers speech with a service."""

    async def compose(service: Service) -> None:
        cache = sentence_cache(service.bus, settings)
        synthesis = Synthesis(make_engine(settings), cache, threads=settings.threads, frame_ms=settings.frame_ms)
        await synthesis.start()
        await synthesis.warm_up()
        warm()
        service.on_stop(synthesis.stop)
        service.add_task("cache-writer", cache.write)
        handlers = await listen(service.bus, synthesis, settings)
        service.on_stop(handlers.stop)
        service.grpc.add(
            synthesizer_pb2_grpc.add_SynthesizerServicer_to_server,
            SynthesizerServicer(synthesis),
            "earshot.tts.v1.Synthesizer",
        )

    return compose


def sentence_cache(bus: Bus, settings: TtsSettings) -> SentenceCache:
    """Return the caches that the settings ask for."""
    shared = None
    if settings.cache == "shared":
        shared = ObjectStoreCache(bus.client, bus.jetstream, str(TTS_CACHE.bucket))
    return SentenceCache(MemoryCache(settings.cache_bytes), shared, settings.cache_patience_s)


async def listen(bus: Bus, synthesis: Synthesis, settings: TtsSettings) -> Handlers:
    """Register what arrives on the bus."""
    keep_capture = partial(keep, bus.jetstream, SPEECH_STREAM, TTS_OUTCOMES)
    await keep_capture()
    bus.on_reconnect(keep_capture)
    client = bus.client
    active = ActiveSpeech()
    beginnings = SegmentBeginnings(
        reader=lambda request: SpeechCapture(client, request),
        speaking_segments=OutcomeSegments(client).speaking_before,
        is_speaking=lambda request, segment: active.is_speaking(request.outcome_id, segment, request.address),
        stall_s=settings.stall_s,
    )
    speaker = Speaker(
        synthesis=synthesis,
        active=active,
        beginnings=beginnings,
        sender=lambda request: BusFrameSender(client, request, synthesis.frame_ms),
        report=lambda request, error: report(bus, request.address, request.turn_id, error),
        lead_s=settings.lead_s,
        burst_s=settings.burst_s,
    )
    bus.park_for(household_of)
    handlers = Handlers(bus, speaker, active, stale_s=settings.stale_s)
    bus.worker(
        TTS_OUTCOMES,
        outcome_pb2.Outcome,
        handlers.on_outcome,
        concurrency=settings.playbacks,
        on_parked=handlers.on_parked,
    )
    await bus.subscribe(TURN_FILLER, outcome_pb2.FillerRequested, handlers.on_filler, queue=_FILLER_QUEUE)
    await bus.subscribe(TURN_SPEECH_CANCELLED, outcome_pb2.SpeechCancelled, handlers.on_cancelled)
    responder = backfill.BackfillResponder(client)
    await bus.responder(backfill.SUBJECT, upstream_pb2.BackfillRequest, responder.answer, queue=backfill.QUEUE)
    return handlers
