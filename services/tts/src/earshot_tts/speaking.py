"""Speaks requests: refusals, order of segments, playback, and what is measured about it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

from opentelemetry.trace import Span as TraceSpan

from earshot_chassis import telemetry
from earshot_topology import attributes
from earshot_tts.active import ActiveSpeech
from earshot_tts.beginning import Beginning, SegmentBeginnings
from earshot_tts.errors import SpeechError
from earshot_tts.pacing import Pacer
from earshot_tts.phases import Phases
from earshot_tts.playback import FrameSender, Playback, Progress
from earshot_tts.requests import SpeechRequest, Text, speakable_texts
from earshot_tts.synthesis import Synthesis
from earshot_tts.text.spans import Span, spans

_FIRST_FRAME = telemetry.histogram("earshot.tts.first_frame", "Time from an outcome's storage to its first frame.")
_log = telemetry.logger("tts")

Report = Callable[[SpeechRequest, SpeechError], Awaitable[None]]


class Speaker:
    """Speaks to devices.

    Args:
        synthesis: Makes frames.
        active: What is being spoken.
        beginnings: Finds where segments begin.
        sender: Makes the sender of a request's frames.
        report: Tells a device what can't be spoken.
        lead_s: Sound that a device has in hand at least.
        burst_s: Sound that is sent at once when it has no more.
    """

    def __init__(
        self,
        *,
        synthesis: Synthesis,
        active: ActiveSpeech,
        beginnings: SegmentBeginnings,
        sender: Callable[[SpeechRequest], FrameSender],
        report: Report,
        lead_s: float,
        burst_s: float,
    ) -> None:
        self._synthesis = synthesis
        self._active = active
        self._beginnings = beginnings
        self._sender = sender
        self._report = report
        self._lead_s = lead_s
        self._burst_s = burst_s

    async def speak(self, request: SpeechRequest, *, decided_at: float) -> None:
        """Speak a segment of an outcome; returns when its last frame has left, or when it was cancelled.

        Args:
            request: The segment.
            decided_at: When the outcome was stored, as Unix time.

        Raises:
            EarshotError: The engine or the bus failed.
        """
        if self._active.is_cancelled(request.address, request.outcome_id):
            return
        texts = await self._speakable(request)
        capabilities = self._synthesis.capabilities
        described: dict[str, str | int] = {
            attributes.TURN_ID: request.turn_id,
            attributes.OUTCOME_ID: request.outcome_id,
            attributes.OWNER_EPOCH: request.owner_epoch,
            attributes.ENGINE: capabilities.name,
            attributes.ENGINE_REVISION: capabilities.revision,
        }
        with telemetry.span("tts.speak", attributes=described) as current:
            async with self._active.speaking(request) as speech:
                queued_at = time.monotonic()
                beginning = await self._beginnings.find(request, deterministic=capabilities.deterministic)
                current.set_attribute(attributes.QUEUED_SECONDS, time.monotonic() - queued_at)
                if not beginning.complete:
                    with Phases() as phases:
                        await self._play(request, texts, beginning, current, phases, decided_at)
            if speech.cancelled:
                current.set_attribute(attributes.CANCELLED, value=True)

    async def bridge(self, request: SpeechRequest) -> None:
        """Speak a filler; returns when its last frame has left, or when it was cancelled.

        Raises:
            EarshotError: The engine or the bus failed.
        """
        texts = await self._speakable(request)
        if not texts:
            return
        async with self._active.speaking(request):
            await self._playback(request, texts, Beginning(first_sequence=0, resume_at=0), self._pacer()).run()

    async def _speakable(self, request: SpeechRequest) -> tuple[Text, ...]:
        texts, problems = speakable_texts(request.texts, self._synthesis.capabilities.locales)
        for problem in problems:
            _log.warning("not_spoken", code=problem.code, reason=str(problem))
            await self._report(request, problem)
        return texts

    async def _play(
        self,
        request: SpeechRequest,
        texts: tuple[Text, ...],
        beginning: Beginning,
        current: TraceSpan,
        phases: Phases,
        decided_at: float,
    ) -> None:
        def first_frame() -> None:
            waited_s = max(0.0, time.time() - decided_at)
            phases.sounding()
            current.add_event("tts.first_frame")
            current.set_attribute(attributes.TIME_TO_FIRST_FRAME, waited_s)
            if request.owner_epoch == 1 and request.segment_index == 0:
                _FIRST_FRAME.record(waited_s)

        pacer = beginning.pacer or self._pacer()
        playback = self._playback(request, texts, beginning, pacer, first_frame)
        try:
            await playback.run()
            self._beginnings.ended(request, playback.progress.next_sequence, pacer)
        finally:
            current.set_attributes(_measured(playback.progress, beginning))

    def _playback(
        self,
        request: SpeechRequest,
        texts: tuple[Text, ...],
        beginning: Beginning,
        pacer: Pacer,
        on_first_frame: Callable[[], None] = lambda: None,
    ) -> Playback:
        locales = self._synthesis.capabilities.locales
        return Playback(
            spans=_all_spans(texts, locales),
            batches=lambda span: self._synthesis.frames(span, request.audio_format),
            sender=self._sender(request),
            pacer=pacer,
            silence=self._synthesis.silence(request.audio_format),
            first_sequence=beginning.first_sequence,
            resume_at=beginning.resume_at,
            on_first_frame=on_first_frame,
        )

    def _pacer(self) -> Pacer:
        return Pacer(lead_s=self._lead_s, burst_s=self._burst_s)


def _all_spans(texts: tuple[Text, ...], locales: tuple[str, ...]) -> Iterator[Span]:
    index = 0
    for text in texts:
        for span in spans(text.text, text.locale, locales=locales, first_index=index):
            index = span.sentence_index + 1
            yield span


def _measured(progress: Progress, beginning: Beginning) -> dict[str, int | float]:
    measured: dict[str, int | float] = {
        attributes.SENTENCE_COUNT: progress.sentences,
        attributes.CACHE_HITS: progress.cache_hits,
        attributes.FRAME_COUNT: progress.sent,
        attributes.AUDIO_SECONDS: progress.sent_s,
        attributes.SYNTHESIS_SECONDS: progress.synthesis_s,
        attributes.PACED_SECONDS: progress.paced_s,
    }
    if beginning.resume_at > beginning.first_sequence:
        measured[attributes.RESUMED_AT] = beginning.resume_at
    return measured
