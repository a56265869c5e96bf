"""Pace, order and cancellation in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from earshot_audio import Encoding, Format
from earshot_chassis.errors import LeaseLostError
from earshot_topology.subjects import DeviceAddress
from earshot_tts.active import ActiveSpeech
from earshot_tts.beginning import SegmentBeginnings
from earshot_tts.cache.sentences import Source
from earshot_tts.captured import CapturedFrame
from earshot_tts.pacing import Pacer
from earshot_tts.playback import Playback
from earshot_tts.requests import OutcomeId, SpeechRequest, Text, TurnId
from earshot_tts.synthesis import Batch
from earshot_tts.text.spans import Span

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio]
FRAME_S = 0.04
SILENCE = b"silence"


def request(segment: int = 0, *, epoch: int = 1, final: bool = True, texts: int = 1) -> SpeechRequest:
    """Return a segment of outcome o1."""
    return SpeechRequest(
        address=DeviceAddress("h1", "d1"),
        turn_id=TurnId("t1"),
        outcome_id=OutcomeId("o1"),
        segment_index=segment,
        final=final,
        owner_epoch=epoch,
        texts=(Text(text="Hello.", locale="en-US"),) * texts,
        audio_format=Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000),
    )


def now() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


class Sent:
    """Notes what is sent, and when."""

    def __init__(self) -> None:
        self.began = now()
        self.frames: list[tuple[int, bytes, bool]] = []
        self.times: list[float] = []

    async def send(self, sequence: int, payload: bytes, *, last: bool) -> float:
        """Note a frame of 40 ms."""
        self.frames.append((sequence, payload, last))
        self.times.append(now() - self.began)
        return FRAME_S

    async def confirm(self) -> None:
        """Nothing is lost here."""


class Voice:
    """Makes sentences of so many frames, each after a delay."""

    def __init__(self, *sentences: int, delay_s: float = 0.0, batch: int = 10) -> None:
        self.spans = [Span(text=f"s{n}", locale="en-US", sentence_index=n) for n in range(len(sentences))]
        self.lengths = sentences
        self.delay_s = delay_s
        self.batch = batch
        self.asked: list[float] = []

    async def __call__(self, span: Span) -> AsyncIterator[Batch]:
        """Yield a sentence's frames."""
        self.asked.append(now())
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        names = [f"{span.text}.{n}".encode() for n in range(self.lengths[span.sentence_index])]
        for start in range(0, len(names), self.batch):
            yield Batch(frames=tuple(names[start : start + self.batch]), span=span, source=Source.ENGINE)


def playback(voice: Voice, sent: Sent, *, lead_s: float = 2.0, burst_s: float = 0.4, **changes) -> Playback:
    """Return a playback of a voice's sentences."""
    pacer = changes.pop("pacer", None) or Pacer(lead_s=lead_s, burst_s=burst_s)
    return Playback(spans=voice.spans, batches=voice, sender=sent, pacer=pacer, silence=SILENCE, **changes)


async def test_lead_is_kept_until_the_end() -> None:
    """Two seconds leave at once; after that the device never has less than two seconds, nor more than 2.4, in hand."""
    sent = Sent()
    await playback(Voice(250, 250), sent).run()
    assert [frame[0] for frame in sent.frames] == list(range(500))
    assert sent.times[49] == 0.0
    for index, at in enumerate(sent.times):
        ahead = index * FRAME_S - at
        assert ahead <= 2.4 + 1e-6
    # At the moment before each burst the device still has the lead.
    for index in range(60, 500):
        if sent.times[index] > sent.times[index - 1]:
            assert index * FRAME_S - sent.times[index] >= 2.0 - 1e-6
    assert sent.times[-1] == pytest.approx(500 * FRAME_S - 2.4, abs=0.41)


async def test_wake_ups_are_few() -> None:
    """Ten seconds of speech wake the sender up once for each burst, not once for each frame."""
    sent = Sent()
    await playback(Voice(250), sent).run()
    assert len(set(sent.times)) <= 21


async def test_sentences_are_made_when_they_are_wanted() -> None:
    """The third sentence is not asked for before the pace reaches it."""
    voice, sent = Voice(100, 100, 100), Sent()
    await playback(voice, sent).run()
    assert voice.asked[0] == pytest.approx(sent.began)
    assert voice.asked[2] - sent.began > 5.0


async def test_slow_engine_is_sent_as_it_comes() -> None:
    """Where the engine is late, frames leave at once, and the count begins anew: nothing is made up for by a burst."""
    sent = Sent()
    await playback(Voice(25, 25, 200, delay_s=5.0), sent).run()
    assert sent.times[0] == pytest.approx(5.0)
    assert sent.times[50] - sent.times[48] >= 4.9
    third = [at for at, frame in zip(sent.times, sent.frames, strict=True) if frame[1].startswith(b"s2")]
    assert third[0] == pytest.approx(15.0)
    assert third[49] == third[0]
    assert third[70] > third[0]


async def test_making_sound_and_holding_it_back_are_told_apart() -> None:
    """Two sentences that take 0.3 s each are 0.6 s of synthesis, however long what they made is held back."""
    sent = Sent()
    progress = await playback(Voice(125, 125, delay_s=0.3), sent).run()
    assert progress.synthesis_s == pytest.approx(0.6)
    # What is not made is held back: frames take no time to leave here.
    assert progress.paced_s == pytest.approx(sent.times[-1] - 0.6)
    assert progress.paced_s > 6.0


async def test_what_is_cancelled_while_it_is_made_or_held_back_counts_until_then() -> None:
    """A playback that ends early has told where its time went so far."""
    for delay_s, expected in ((5.0, (3.0, 0.0)), (0.0, (0.0, 3.0))):
        speaking = playback(Voice(500, delay_s=delay_s), Sent())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.0):
                await speaking.run()
        assert (speaking.progress.synthesis_s, speaking.progress.paced_s) == pytest.approx(expected)


async def test_last_frame_alone_is_marked() -> None:
    """Only the last frame of the segment is marked as last."""
    sent = Sent()
    await playback(Voice(3, 3), sent, first_sequence=10).run()
    assert [frame[0] for frame in sent.frames] == list(range(10, 16))
    assert [frame[2] for frame in sent.frames] == [False] * 5 + [True]


async def test_nothing_to_say_is_one_silent_last_frame() -> None:
    """Without sentences, or with sentences that make no sound, one silent frame ends the segment."""
    for voice in (Voice(), Voice(0)):
        sent = Sent()
        await playback(voice, sent).run()
        assert sent.frames == [(0, SILENCE, True)]


async def test_resumed_frames_are_the_rest_and_are_paced_anew() -> None:
    """Frames that were sent are skipped without waiting; the rest begins with a lead of its own."""
    sent = Sent()
    await playback(Voice(250), sent, resume_at=200).run()
    assert [frame[0] for frame in sent.frames] == list(range(200, 250))
    assert sent.times[-1] == 0.0


async def test_segment_goes_on_at_the_pace_of_the_one_before() -> None:
    """A segment that comes while the one before is still played does not leave in a burst of its own."""
    pacer, sent = Pacer(lead_s=2.0, burst_s=0.4), Sent()
    await playback(Voice(60), sent, pacer=pacer).run()
    await playback(Voice(60), sent, pacer=pacer, first_sequence=60).run()
    assert sent.times[-1] == pytest.approx(120 * FRAME_S - 2.4, abs=0.41)


async def test_cancelled_speech_stops_at_once() -> None:
    """A cancellation ends the block at once and without an exception; nothing is sent afterwards."""
    active, sent = ActiveSpeech(), Sent()

    async def speak() -> bool:
        async with active.speaking(request()) as speech:
            await playback(Voice(500), sent).run()
        return speech.cancelled

    task = asyncio.create_task(speak())
    await asyncio.sleep(3.01)
    count = len(sent.frames)
    assert active.cancel(DeviceAddress("h1", "d1"), OutcomeId("o1")) == 1
    assert await task
    assert now() - sent.began == pytest.approx(3.01)
    assert len(sent.frames) == count
    assert active.is_cancelled(DeviceAddress("h1", "d1"), OutcomeId("o1"))
    assert active.cancel(DeviceAddress("h1", "d1"), OutcomeId("o1")) == 0


async def test_other_outcomes_are_not_cancelled() -> None:
    """A cancellation names an outcome or a device; what is neither goes on."""
    active, sent = ActiveSpeech(), Sent()
    async with active.speaking(request()) as speech:
        assert active.cancel(DeviceAddress("h1", "d1"), OutcomeId("o2")) == 0
        assert active.cancel(DeviceAddress("h1", "d2"), None) == 0
        await playback(Voice(10), sent).run()
    assert not speech.cancelled
    assert len(sent.frames) == 10


async def test_a_cancellation_holds_for_its_device_alone() -> None:
    """Outcomes of the same id on another household's device are spoken."""
    active = ActiveSpeech()
    here, elsewhere = DeviceAddress("h1", "d1"), DeviceAddress("h2", "d1")
    active.cancel(elsewhere, OutcomeId("o1"))
    assert active.is_cancelled(elsewhere, OutcomeId("o1"))
    assert not active.is_cancelled(here, OutcomeId("o1"))


async def test_newer_delivery_ends_the_older_one() -> None:
    """The same segment delivered again is spoken once; the older delivery ends after the newer one, and has nothing to settle."""
    active, first, second = ActiveSpeech(), Sent(), Sent()
    order: list[str] = []

    async def speak(epoch: int, sent: Sent) -> None:
        async with active.speaking(request(epoch=epoch)):
            await playback(Voice(100), sent).run()
        order.append(f"epoch {epoch}")

    older = asyncio.create_task(speak(1, first))
    await asyncio.sleep(1.0)
    await speak(2, second)
    with pytest.raises(LeaseLostError):
        await older
    assert len(first.frames) < 100
    assert len(second.frames) == 100
    assert order == ["epoch 2"]


def frame(sequence: int, *, segment: int = 0, epoch: int = 1, last: bool = False, outcome: str = "o1") -> CapturedFrame:
    """Return a captured frame."""
    return CapturedFrame(
        outcome_id=OutcomeId(outcome),
        segment_index=segment,
        sequence=sequence,
        owner_epoch=epoch,
        segment_last=last,
        encoded=b"",
    )


class Capture:
    """A capture stream that fills up over time."""

    def __init__(self, *frames: tuple[float, CapturedFrame]) -> None:
        self.began = now()
        self.frames = list(frames)

    async def read(self) -> list[CapturedFrame]:
        """Return what is new."""
        due = [f for at, f in self.frames if at <= now() - self.began]
        self.frames = self.frames[len(due) :]
        return due


def beginnings(capture: Capture, earlier: tuple[int, ...] = ()) -> SegmentBeginnings:
    """Return beginnings that read a capture."""

    async def segments(_request: SpeechRequest) -> tuple[int, ...]:
        return earlier

    return SegmentBeginnings(
        reader=lambda _request: capture,
        speaking_segments=segments,
        is_speaking=lambda _request, _segment: False,
        stall_s=6.0,
    )


async def test_first_segment_begins_at_zero() -> None:
    """Nothing is read for a segment that is the first and delivered for the first time."""
    found = await beginnings(Capture()).find(request(), deterministic=True)
    assert (found.first_sequence, found.resume_at, found.complete) == (0, 0, False)


async def test_redelivered_segment_resumes_behind_the_capture() -> None:
    """Epoch 2 begins behind what epoch 1 had sent; where that was everything, there is nothing left to do."""
    capture = Capture(*((0.0, frame(n)) for n in range(30)))
    found = await beginnings(capture).find(request(epoch=2), deterministic=True)
    assert (found.first_sequence, found.resume_at) == (0, 30)
    done = Capture((0.0, frame(0)), (0.0, frame(1, last=True)))
    assert (await beginnings(done).find(request(epoch=2), deterministic=True)).complete


async def test_unrepeatable_voice_speaks_the_segment_again() -> None:
    """With a voice that can't repeat itself, the segment starts anew, behind what was sent of it."""
    capture = Capture(*((0.0, frame(n)) for n in range(30)))
    found = await beginnings(capture).find(request(epoch=2), deterministic=False)
    assert (found.first_sequence, found.resume_at) == (30, 30)


async def test_frames_of_a_worker_that_woke_up_do_not_count() -> None:
    """What epoch 1 sent after epoch 2 had begun is not where epoch 3 goes on."""
    frames = [frame(n) for n in range(20)] + [frame(n, epoch=2) for n in range(20, 30)]
    stale = [frame(n) for n in range(20, 60)]
    capture = Capture(*((0.0, f) for f in (*frames, *stale, frame(5))))
    assert (await beginnings(capture).find(request(epoch=3), deterministic=True)).resume_at == 30


async def test_segment_waits_for_the_end_of_the_one_before() -> None:
    """A later segment begins when the capture shows the earlier one's last frame; other outcomes don't matter."""
    capture = Capture(
        (0.0, frame(0)), (2.0, frame(1)), (4.0, frame(0, outcome="")), (7.0, frame(2)), (11.0, frame(3, last=True))
    )
    found = await beginnings(capture, (0,)).find(request(2), deterministic=True)
    assert found.first_sequence == 4
    assert now() - capture.began == pytest.approx(11.0, abs=0.1)


async def test_a_segment_spoken_to_another_household_does_not_count() -> None:
    """Where a segment begins follows from its own device's speech, also where the outcome ids are the same."""
    found = beginnings(Capture((0.0, frame(0)), (0.0, frame(1, last=True))), (0,))
    elsewhere = replace(request(final=False), address=DeviceAddress("h2", "d1"))
    found.ended(elsewhere, 70, Pacer(lead_s=2.0, burst_s=0.4))
    assert (await found.find(request(1), deterministic=True)).first_sequence == 2


async def test_segment_gives_up_one_that_does_not_move() -> None:
    """After six seconds without a frame of the earlier segment, the later one goes on behind what there is."""
    capture = Capture((0.0, frame(0)), (1.0, frame(1)))
    found = await beginnings(capture, (0,)).find(request(1), deterministic=True)
    assert found.first_sequence == 2
    assert now() - capture.began == pytest.approx(7.0, abs=0.2)


async def test_redelivered_later_segment_keeps_its_numbers() -> None:
    """Segment 1 delivered again has the first sequence it had, and resumes behind its own frames."""
    frames = [frame(0), frame(1, last=True), frame(2, segment=1), frame(3, segment=1)]
    capture = Capture(*((0.0, f) for f in frames))
    found = await beginnings(capture, (0,)).find(request(1, epoch=2), deterministic=True)
    assert (found.first_sequence, found.resume_at) == (2, 4)
