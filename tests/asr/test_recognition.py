"""Recognition without a bus, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from earshot_asr.assembly import Frame
from earshot_asr.endpointing import Endpoint, EndpointingRules, EndpointReason
from earshot_asr.engines.base import Locale, Rejection
from earshot_asr.engines.errors import RecognizerBusyError, UnsupportedLocaleError, WorkerDiedError
from earshot_asr.errors import AudioLostError, RecognitionTimeoutError, UtteranceRefusedError
from earshot_asr.recognition import Recognizer, Request
from earshot_asr.source import Ending
from earshot_asr.stability import Stability
from earshot_audio import Encoding, Format
from support.hearing import frames_of
from support.recognition import DigestEngine, LoudnessPool, digest, silence, speech
from support.spans import recorded_spans

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]
spans = pytest.fixture(recorded_spans)
REQUEST = Request(locale=Locale("en-US"), audio_format=Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000))


@dataclass(kw_only=True)
class Microphone:
    """A source that gives a frame every 40 ms, then ends."""

    frames: Sequence[Frame]
    ending: Ending = Ending.DEVICE
    position: int = 0

    async def next(self) -> list[Frame] | Ending:
        """Wait for the next frame."""
        await asyncio.sleep(0.04)
        if self.position == len(self.frames):
            return self.ending
        self.position += 1
        return [self.frames[self.position - 1]]


@dataclass(kw_only=True)
class Listener:
    """Notes what it is told, and when."""

    told: list[tuple[float, str]] = field(default_factory=list)

    def _note(self, what: str) -> None:
        self.told.append((round(asyncio.get_running_loop().time(), 2), what))

    async def started(self, offset: float) -> None:
        """Note it."""
        self._note(f"started {offset:.2f}")

    async def interim(self, transcript: str, stability: float) -> None:
        """Note it."""
        self._note(f"interim {len(transcript.split())} {stability:.1f}")

    async def ended(self, endpoint: Endpoint) -> None:
        """Note it."""
        self._note(f"ended {endpoint.reason} {endpoint.end_of_speech_offset:.2f}")


def recognizer(engine: DigestEngine, pool: LoudnessPool | None = None) -> Recognizer:
    """Return a recogniser with the loudness detector."""
    return Recognizer(engine, pool or LoudnessPool(), EndpointingRules())


def frames(*parts: NDArray[np.int16]) -> list[Frame]:
    """Return the frames of some sounds in a row."""
    return list(frames_of(np.concatenate(parts)))


async def test_the_course_of_an_utterance() -> None:
    """Start, interim results every fifth of a second, and the end 0.8 s after speech, at the pace of the audio."""
    listener = Listener()
    source = Microphone(frames=frames(silence(0.4), speech(1.0), silence(3.0)))
    result = await recognizer(DigestEngine()).recognize(REQUEST, source, listener)
    whats = [what for _, what in listener.told]
    assert "started 0.38" in whats
    assert len([what for what in whats if what.startswith("interim")]) >= 7
    at, ended = listener.told[-1]
    assert ended.startswith("ended silence 1.4")
    assert at - asyncio.get_running_loop().time() == pytest.approx(0, abs=0.01)
    assert at == pytest.approx(0.4 + 1.0 + 0.8, abs=0.12)
    assert result.rejection is Rejection.NONE
    assert source.position < len(source.frames)


async def test_waiting_for_the_talker_is_no_work(spans: InMemorySpanExporter) -> None:
    """What listening took is told apart: of an engine that takes 10 ms a frame, these; of frames that come in 40 ms, nothing."""
    for feed_s in (0.0, 0.01):
        spans.clear()
        source = Microphone(frames=frames(speech(1.0)))
        await recognizer(DigestEngine(feed_s=feed_s)).recognize(REQUEST, source, Listener())
        (listen,) = [span for span in spans.get_finished_spans() if span.name == "asr.listen"]
        assert listen.attributes == {"voice.asr.busy_s": pytest.approx(feed_s * source.position)}


async def test_listening_that_was_broken_off_says_why(spans: InMemorySpanExporter) -> None:
    """Frames that stop coming fail the listening, and there is neither silence nor decoding."""
    with pytest.raises(AudioLostError):
        await recognizer(DigestEngine()).recognize(
            REQUEST, Microphone(frames=frames(speech(1.0)), ending=Ending.LOST), Listener()
        )
    (listen,) = spans.get_finished_spans()
    assert listen.status.description == "audio_lost"


async def test_interim_results_only_where_they_are_wanted() -> None:
    """Who wants no interim results gets none."""
    listener = Listener()
    quiet = Request(locale=REQUEST.locale, audio_format=REQUEST.audio_format, interim_results=False)
    await recognizer(DigestEngine()).recognize(quiet, Microphone(frames=frames(speech(1.0))), listener)
    assert not [what for _, what in listener.told if what.startswith("interim")]


async def test_without_endpointing_only_the_source_ends_it() -> None:
    """Silence does not end an utterance whose end the caller wants to say."""
    said = np.concatenate([speech(0.5), silence(3.0), speech(0.5)])
    request = Request(locale=REQUEST.locale, audio_format=REQUEST.audio_format, endpointing=False)
    pool = LoudnessPool()
    result = await recognizer(DigestEngine(), pool).recognize(request, Microphone(frames=frames(said)), Listener())
    assert result.endpoint.reason is EndpointReason.DEVICE
    assert result.alternatives[0].transcript == digest(said.tobytes())
    assert not pool.made


async def test_nobody_spoke() -> None:
    """Silence is rejected without asking the engine for its result."""
    engine = DigestEngine(fail_finish=[WorkerDiedError("must not be asked")])
    source = Microphone(frames=frames(silence(1.0)))
    result = await recognizer(engine).recognize(REQUEST, source, Listener())
    assert result.rejection is Rejection.NO_SPEECH
    assert result.alternatives == ()
    assert engine.streams[0].closed


async def test_frames_that_stop_coming() -> None:
    """Half an utterance is not recognised: it may mean something else than the whole."""
    for heard in (frames(speech(0.6)), []):
        with pytest.raises(AudioLostError):
            lost = Microphone(frames=heard, ending=Ending.LOST)
            await recognizer(DigestEngine()).recognize(REQUEST, lost, Listener())


@pytest.mark.parametrize(
    ("engine", "request_", "sound", "error"),
    [
        (DigestEngine(fail_finish=[WorkerDiedError("gone")]), REQUEST, frames(speech(0.5)), WorkerDiedError),
        (DigestEngine(places=0), REQUEST, frames(speech(0.5)), RecognizerBusyError),
        (
            DigestEngine(),
            Request(locale=Locale("xx-XX"), audio_format=REQUEST.audio_format),
            frames(speech(0.5)),
            UnsupportedLocaleError,
        ),
        (DigestEngine(), REQUEST, [b"odd"], UtteranceRefusedError),
    ],
)
async def test_errors_free_what_was_held(
    engine: DigestEngine, request_: Request, sound: list[Frame], error: type[Exception]
) -> None:
    """Whatever goes wrong, the engine's stream is closed and the detector given back."""
    pool = LoudnessPool()
    with pytest.raises(error):
        await recognizer(engine, pool).recognize(request_, Microphone(frames=sound), Listener())
    assert pool.in_use == 0
    assert all(stream.closed for stream in engine.streams)


async def test_an_engine_that_takes_too_long_is_given_up() -> None:
    """A result that nobody waits for any more keeps no place."""
    engine = DigestEngine(finish_s=60.0)
    with pytest.raises(RecognitionTimeoutError) as caught:
        await recognizer(engine).recognize(REQUEST, Microphone(frames=frames(speech(0.4))), Listener())
    assert caught.value.code == "recognition_timeout"
    assert asyncio.get_running_loop().time() == pytest.approx(0.44 + 8.0, abs=0.01)
    assert engine.streams[0].closed


async def test_an_utterance_that_is_cancelled_frees_what_it_held() -> None:
    """A worker that leaves, leaves nothing behind."""
    engine, pool = DigestEngine(), LoudnessPool()
    endless = Microphone(frames=frames(speech(15)))
    work = asyncio.create_task(recognizer(engine, pool).recognize(REQUEST, endless, Listener()))
    await asyncio.sleep(1.0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert pool.in_use == 0
    assert engine.streams[0].closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stability_is_the_share_that_stayed() -> None:
    """What was there the last time is likely to stay."""
    stability = Stability()
    assert stability.of("what time") == 0.0
    assert stability.of("what time is it") == pytest.approx(9 / 15)
    assert stability.of("what time is it") == 1.0
    assert stability.of("") == 0.0
