"""Puts the recogniser together from its settings."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from earshot.asr.v1 import recognizer_pb2_grpc
from earshot.device.v1 import upstream_pb2
from earshot_asr import wire
from earshot_asr.admission import Admission
from earshot_asr.capture import Capture
from earshot_asr.counting import SharedCounter
from earshot_asr.engines.base import Engine
from earshot_asr.engines.errors import EndpointsMissingError
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.settings import EngineSettings
from earshot_asr.guarding import CaptureGuard
from earshot_asr.handlers import Handlers
from earshot_asr.pronouncing import Pronouncer
from earshot_asr.receiving import Receivers
from earshot_asr.recognition import Recognizer
from earshot_asr.servicer import RecognizerServicer
from earshot_asr.settings import AsrSettings
from earshot_asr.teaching import Teacher
from earshot_asr.vad import VadPool
from earshot_chassis.bus import Bus
from earshot_chassis.ids import uuid7
from earshot_chassis.rpc_client import connect
from earshot_chassis.service import Service
from earshot_registry import HouseholdWords, RegistrySnapshot, SkillRegistry
from earshot_topology.keeping import keep
from earshot_topology.streams import ASR_STARTED
from earshot_topology.tenancy import household_of

_WARM_DETECTORS = 1


class MakeEngine(Protocol):
    """Makes the engine that the settings name."""

    def __call__(self, settings: EngineSettings, *, pronouncer: Pronouncer | None = None) -> Engine:
        """Return an engine that is not started."""
        ...


def composition(
    settings: AsrSettings, engine_settings: EngineSettings, make_engine: MakeEngine = create_engine
) -> Callable[[Service], Awaitable[None]]:
    """Return what registers the recogniser with a service."""

    async def compose(service: Service) -> None:
        pronouncer = Pronouncer(connect(settings.tts_target)) if settings.tts_target else None
        engine = make_engine(engine_settings, pronouncer=pronouncer)
        registry = SkillRegistry(service.bus)
        words = HouseholdWords(service.bus)

        teacher = Teacher(engine)

        async def learn(snapshot: RegistrySnapshot) -> None:
            await teacher.teach(wire.vocabulary_of(snapshot))

        registry.on_change(learn)
        # Both before work is taken: the first vocabulary is in force when the first utterance comes.
        service.on_start(engine.start)
        service.on_stop(engine.stop)
        service.on_start(registry.start)
        service.on_start(words.start)
        service.on_stop(registry.stop)
        service.on_stop(words.stop)
        service.on_stop(teacher.stop)
        engine_ends = settings.vad == "engine"
        if engine_ends and not engine.capabilities.endpoints:
            raise EndpointsMissingError(f"{engine.capabilities.name} does not find the end of speech: EARSHOT_ASR_VAD")
        recognizer = Recognizer(
            engine,
            await _detectors(settings),
            settings.endpointing(),
            finish_timeout_s=settings.deadline_s,
            engine_ends=engine_ends,
        )
        capture = await listen(service.bus, recognizer, words, settings)
        service.on_stop(capture.stop)
        service.add_task("capture-guard", CaptureGuard(service.bus.jetstream).keep)
        service.grpc.add(
            recognizer_pb2_grpc.add_RecognizerServicer_to_server,
            RecognizerServicer(recognizer, calls=settings.calls),
            "earshot.asr.v1.Recognizer",
        )
        # What lives as long as the process is not looked at again by the garbage collector, whose pauses delay frames.
        service.on_start(_settle)

    return compose


async def listen(bus: Bus, recognizer: Recognizer, words: HouseholdWords, settings: AsrSettings) -> Capture:
    """Register what arrives on the bus; the capture that is returned is to be stopped at the end."""
    bus.park_for(household_of)
    for stream in ("AUDIO", "QUOTAS"):
        kept = partial(keep, bus.jetstream, stream, ASR_STARTED)
        await kept()
        bus.on_reconnect(kept)
    capture = Capture(bus.client)
    await capture.start()
    receivers = Receivers(bus.client, capture, wire.read_frame, rules=settings.upload(), limits=settings.limits())
    admission = Admission(bus, SharedCounter(bus.client), settings.quota(), owner=uuid7())
    await admission.start()
    handlers = Handlers(
        bus,
        recognizer,
        receivers,
        capture,
        admission,
        words,
        deadline_s=settings.deadline_s,
        attempts=settings.attempts,
    )
    bus.worker(
        ASR_STARTED,
        upstream_pb2.UtteranceStarted,
        handlers.on_started,
        concurrency=settings.utterances,
        on_parked=handlers.on_parked,
    )
    await bus.responder("device.*.*.up.resume", upstream_pb2.UploadStatusRequest, handlers.on_resume, queue="asr")
    return capture


async def _detectors(settings: AsrSettings) -> VadPool | None:
    if settings.vad != "silero":
        return None
    from earshot_asr.silero import SileroPool  # noqa: PLC0415 - loads the model only where it is wanted

    pool = SileroPool()
    await pool.warm(_WARM_DETECTORS)
    return pool


async def _settle() -> None:
    gc.collect()
    gc.freeze()
