"""One utterance from its first frame to its result, wherever the frames come from and whoever wants to know.

    source ──frames──► front end ──pcm──► engine stream ──interim──► observer
                           └──events──► observer, hints to the engine
    endpoint ──► observer.ended ──► engine finishes ──► Result

A frame is decoded, judged and fed in one step of one task; only interim results have a task of their own, because they
come when the engine has them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from earshot_asr.assembly import Frame
from earshot_asr.endpointing import (
    Endpoint,
    EndpointingRules,
    EndpointReason,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from earshot_asr.engines.base import (
    NO_PHRASES,
    Alternative,
    Engine,
    Interim,
    Locale,
    Phrases,
    Recognition,
    RecognitionStream,
    Rejection,
)
from earshot_asr.errors import (
    AudioLostError,
    RecognitionTimeoutError,
    UtteranceRefusedError,
    UtteranceTooLargeError,
)
from earshot_asr.frontend import FrontEnd, Heard
from earshot_asr.listening import Listening
from earshot_asr.source import Ending, FrameSource
from earshot_asr.stability import Stability
from earshot_asr.vad import VadPool, VoiceActivityDetector
from earshot_audio import AudioError, Format
from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_topology import attributes

# A backfill of many seconds is worked off in slices: other utterances want the loop, too.
_FRAMES_IN_A_ROW: Final = 16
_log = telemetry.logger("recognition")


class Observer(Protocol):
    """Hears what happens while an utterance is recognised; must not wait for anybody."""

    async def started(self, offset: float) -> None:
        """Speech began, `offset` seconds from the first sample."""
        ...

    async def interim(self, transcript: str, stability: float) -> None:
        """Words so far, and how likely they are to stay, 0 to 1."""
        ...

    async def ended(self, endpoint: Endpoint) -> None:
        """The utterance is over; its result comes next."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to recognise.

    Attributes:
        locale: BCP-47.
        audio_format: Of the frames.
        skip_s: Seconds at the start that are not recognised.
        interim_results: Whether anybody wants them.
        endpointing: Whether silence ends the utterance, or the source alone.
        phrases: What the talker's household calls its things.
    """

    locale: Locale
    audio_format: Format
    skip_s: float = 0.0
    interim_results: bool = True
    endpointing: bool = True
    phrases: Phrases = field(default_factory=lambda: NO_PHRASES, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an utterance.

    Attributes:
        endpoint: When and why it was over.
        audio_duration: Seconds that were heard.
        alternatives: Best first; empty when rejected. Offsets of words count from the first sample.
        rejection: Why there are none.
        engine: Name and revision, "pocketsphinx/5.1.1".
        registry_revision: Of the vocabulary that was used.
    """

    endpoint: Endpoint
    audio_duration: float
    alternatives: tuple[Alternative, ...] = field(default=())
    rejection: Rejection
    engine: str
    registry_revision: int = 0


class Recognizer:
    """Recognises utterances with one engine."""

    def __init__(
        self,
        engine: Engine,
        vads: VadPool | None,
        rules: EndpointingRules,
        *,
        finish_timeout_s: float = 8.0,
        engine_ends: bool = False,
    ) -> None:
        """Take an engine that is started.

        Args:
            engine: What recognises.
            vads: What finds speech; None: only the source ends an utterance.
            rules: The endpointer's.
            finish_timeout_s: How long the engine may take for a result once speech is over. Later nobody wants it.
            engine_ends: Whether the engine ends utterances, where it can and `vads` is None.
        """
        self.engine = engine
        self._vads = vads
        self._rules = rules
        self._finish_timeout_s = finish_timeout_s
        self._engine_ends = engine_ends and vads is None and engine.capabilities.endpoints

    async def recognize(self, request: Request, source: FrameSource, observer: Observer) -> Result:
        """Recognise one utterance.

        Raises:
            AudioLostError: Frames stopped coming before the utterance was over.
            UtteranceTooLargeError: There are more bytes than one utterance may have.
            UtteranceRefusedError: A frame is not what the format says; with the code of earshot_audio.
            RecognitionTimeoutError: The engine took too long.
            EarshotError: What the engine raises; retryable where the same frames may succeed later.
        """
        stream = await self.engine.open(request.locale, request.phrases)
        detector = await self._vads.acquire() if self._vads is not None and request.endpointing else None
        try:
            return await self._run(request, source, observer, stream, detector)
        except AudioError as error:
            raise UtteranceRefusedError(str(error), code=error.code) from error
        finally:
            if detector is not None and self._vads is not None:
                self._vads.release(detector)
            await stream.close()

    async def _run(
        self,
        request: Request,
        source: FrameSource,
        observer: Observer,
        stream: RecognitionStream,
        detector: VoiceActivityDetector | None,
    ) -> Result:
        front_end = FrontEnd(request.audio_format, detector, self._rules, skip_s=request.skip_s)
        capabilities = self.engine.capabilities
        loop = asyncio.get_running_loop()
        interim: asyncio.Task[None] | None = None
        over: asyncio.Future[Interim] | None = None
        if self._engine_ends and request.endpointing:
            over = loop.create_future()
        if capabilities.interim_results and (request.interim_results or over is not None):
            interim = loop.create_task(_pass_on(stream, observer if request.interim_results else None, over))
        with Listening() as listening:
            try:
                endpoint = await _listen(listening.to(source), front_end, stream, observer, over)
            finally:
                # What comes now would arrive after the final result.
                if interim is not None:
                    interim.cancel()
            if endpoint.reason is EndpointReason.AUDIO_LOST:
                # Half an utterance may mean something else than the whole, and its device has long apologised.
                raise AudioLostError(f"frames stopped coming after {front_end.audio_seconds:.1f} s of audio")
            silent = endpoint.reason is EndpointReason.SILENCE
            listening.ended(front_end.audio_seconds - endpoint.end_of_speech_offset if silent else 0.0)
        await observer.ended(endpoint)
        if not front_end.endpointer.heard_speech:
            return Result(
                endpoint=endpoint,
                audio_duration=front_end.audio_seconds,
                rejection=Rejection.NO_SPEECH,
                engine=f"{capabilities.name}/{capabilities.revision}",
            )
        with telemetry.span("asr.decode"):
            recognition = await self._finish(stream)
        telemetry.annotate({attributes.REGISTRY_REVISION: recognition.registry_revision})
        return Result(
            endpoint=endpoint,
            audio_duration=front_end.audio_seconds,
            alternatives=tuple(_shifted(alternative, request.skip_s) for alternative in recognition.alternatives),
            rejection=recognition.rejection,
            engine=recognition.engine,
            registry_revision=recognition.registry_revision,
        )

    async def _finish(self, stream: RecognitionStream) -> Recognition:
        try:
            async with asyncio.timeout(self._finish_timeout_s):
                return await stream.finish()
        except TimeoutError as error:
            raise RecognitionTimeoutError(f"the engine had no result after {self._finish_timeout_s:g} s") from error


async def _listen(
    source: FrameSource,
    front_end: FrontEnd,
    stream: RecognitionStream,
    observer: Observer,
    over: asyncio.Future[Interim] | None,
) -> Endpoint:
    while True:
        frames = await (source.next() if over is None else _next_unless(over, source))
        if isinstance(frames, Interim):
            return front_end.endpointer.engine_ended(frames.end_of_speech or 0.0, frames.audio_offset)
        if isinstance(frames, Ending):
            if frames is Ending.TOO_LARGE:
                raise UtteranceTooLargeError(f"too many bytes after {front_end.audio_seconds:.1f} s of audio")
            endpointer = front_end.endpointer
            return endpointer.device_ended() if frames is Ending.DEVICE else endpointer.audio_lost()
        for number, frame in enumerate(frames, 1):
            heard = front_end.hear(frame)
            if heard.pcm:
                await stream.feed(heard.pcm)
            if heard.events:
                await _act(heard, stream, observer)
                if heard.endpoint is not None:
                    return heard.endpoint
            if number % _FRAMES_IN_A_ROW == 0:
                await asyncio.sleep(0)


async def _next_unless(over: asyncio.Future[Interim], source: FrameSource) -> list[Frame] | Ending | Interim:
    """Return the next frames, or what the engine told when it took the utterance to be over."""
    frames = asyncio.ensure_future(source.next())
    try:
        both: set[asyncio.Future[Any]] = {frames, over}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return over.result() if over.done() else frames.result()
    finally:
        frames.cancel()


async def _act(heard: Heard, stream: RecognitionStream, observer: Observer) -> None:
    for event in heard.events:
        if isinstance(event, SpeechStarted):
            await observer.started(event.offset)
        elif isinstance(event, SpeechPaused):
            await stream.speech_paused()
        elif isinstance(event, SpeechResumed):
            await stream.speech_resumed()


async def _pass_on(stream: RecognitionStream, observer: Observer | None, over: asyncio.Future[Interim] | None) -> None:
    stability = Stability()
    # The task that feeds hears of the same failure and decides; an interim result is losable.
    with suppress(EarshotError):
        while (interim := await stream.interim()) is not None:
            if observer is not None:
                await observer.interim(interim.transcript, stability.of(interim.transcript))
            if over is not None and interim.end_of_speech is not None and not over.done():
                over.set_result(interim)


def _shifted(alternative: Alternative, seconds: float) -> Alternative:
    if not seconds or not alternative.words:
        return alternative
    words = tuple(
        replace(word, start_offset=word.start_offset + seconds, end_offset=word.end_offset + seconds)
        for word in alternative.words
    )
    return replace(alternative, words=words)
