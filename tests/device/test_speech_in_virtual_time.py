from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

from earshot_audio import Encoding, Format
from earshot_device.core.ids import OutcomeId, TurnId
from earshot_device.core.outcome import SpeechFrame
from earshot_device.errors import SpeechLostError
from earshot_device.sound.output import Output
from earshot_device.sound.sinks import NullSink
from earshot_device.turns.speech import SpeechPlayer, SpeechTimings

pytestmark = pytest.mark.looptime

RATE = 8_000
FORMAT = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=RATE)
FRAME_S = 0.04


def frame(sequence: int, *, last: bool = False, segment: int = 0) -> SpeechFrame:
    """Return a frame whose samples are its sequence + 1."""
    return SpeechFrame(
        turn_id=TurnId("t"),
        outcome_id=OutcomeId("o"),
        segment_index=segment,
        sequence=sequence,
        owner_epoch=1,
        payload=np.full(int(RATE * FRAME_S), sequence + 1, "<i2").tobytes(),
        format=FORMAT,
        last=last,
        segment_last=last,
        duration_s=FRAME_S,
    )


class Network:
    """Carries frames to a player, late, twice, or not at all; frames that are asked for again arrive."""

    def __init__(self, *, kept: bool = True):
        self.asked = []
        self.kept = kept
        self.count = 0
        self.player = SpeechPlayer(
            OutcomeId("o"),
            Output(NullSink(), rate=RATE),
            ask_again=self.ask_again,
            timings=SpeechTimings(stall_s=3.0),
            started=lambda: None,
        )

    async def ask_again(self, gap):
        """Bring what is missing after 30 ms, if it is kept."""
        self.asked.append((gap.first, gap.end))
        await asyncio.sleep(0.03)
        if self.kept:
            for sequence in range(gap.first, gap.end or self.count):
                self.player.receive(frame(sequence, last=sequence == self.count - 1))

    async def send(self, count, *, seed=0, loss=0.0, repeat=0.0, jitter_s=0.0, every_s=0.0):
        """Send frames."""
        self.count = count
        chance = random.Random(seed)
        loop = asyncio.get_running_loop()
        for sequence in range(count):
            for _ in range(1 + (chance.random() < repeat)):
                if chance.random() >= loss:
                    one = frame(sequence, last=sequence == count - 1)
                    loop.call_later(chance.random() * jitter_s, self.player.receive, one)
            await asyncio.sleep(every_s)


def heard(player) -> list[int]:
    """Return the sequences that were heard; -1 for silence."""
    return [int(level) - 1 for level in player.played()[:: int(RATE * FRAME_S)]]


@pytest.mark.parametrize("seed", range(20))
async def test_a_bad_network_is_not_heard(seed):
    """With a tenth of the frames lost, repeats and 300 ms of jitter, 2 s in hand are enough: no gap, no silence."""
    network = Network()
    sending = asyncio.create_task(network.send(100, seed=seed, loss=0.1, repeat=0.2, jitter_s=0.3, every_s=0.005))
    began = asyncio.get_running_loop().time()
    await network.player.play_segment(0)
    took = asyncio.get_running_loop().time() - began
    await sending
    await network.player.stop()
    assert heard(network.player) == list(range(100))
    assert network.player.concealed_count == 0
    assert 4.0 <= took < 5.5


async def test_playing_begins_with_sound_in_hand():
    """Two frames are enough to begin; one that stays alone begins after 80 ms."""
    loop = asyncio.get_running_loop()
    for arrivals, expected in (([0.0, 0.0], 0.0), ([0.0, 0.05], 0.05), ([0.0, 0.5], 0.08)):
        network = Network()
        began = loop.time()
        for sequence, at in enumerate(arrivals):
            loop.call_later(at, network.player.receive, frame(sequence, last=sequence == 1))
        await network.player.play_segment(0)
        await network.player.stop()
        assert network.player.first_played_at - began == pytest.approx(expected, abs=0.021)


async def test_a_gap_is_waited_for_and_then_filled():
    """A frame that nobody has costs 0.4 s once, not once a frame, and is filled with silence of its length."""
    network = Network(kept=False)
    loop = asyncio.get_running_loop()
    for sequence in (0, 1, 5, 6):
        network.player.receive(frame(sequence, last=sequence == 6))
    began = loop.time()
    await network.player.play_segment(0)
    await network.player.stop()
    assert heard(network.player) == [0, 1, -1, -1, -1, 5, 6]
    assert network.player.concealed_count == 3
    assert loop.time() - began == pytest.approx(7 * FRAME_S + 0.4, abs=0.05)


async def test_speech_that_stops_is_lost_after_its_limit():
    """Without frames playing gives up after the limit, having asked a few times and not more."""
    network = Network(kept=False)
    loop = asyncio.get_running_loop()
    network.player.receive(frame(0))
    network.player.receive(frame(1))
    began = loop.time()
    with pytest.raises(SpeechLostError):
        await network.player.play_segment(0)
    await network.player.stop()
    assert loop.time() - began == pytest.approx(3.0, abs=0.15)
    assert network.asked[0] == (2, 0)
    assert 2 <= len(network.asked) <= 5


async def test_a_worker_that_takes_over_is_waited_for():
    """A pause of 1.5 s between workers is heard as a pause: nothing is lost, nothing is filled."""
    network = Network()
    loop = asyncio.get_running_loop()
    network.count = 0
    for sequence in range(5):
        network.player.receive(frame(sequence))
    for sequence in range(5, 10):
        loop.call_later(1.5, network.player.receive, frame(sequence, last=sequence == 9))
    await network.player.play_segment(0)
    await network.player.stop()
    assert heard(network.player) == list(range(10))
    assert network.player.concealed_count == 0


async def test_segments_are_played_one_at_a_time():
    """Playing a segment ends where the next one begins, also if its own end was not marked."""
    network = Network()
    for sequence in range(6):
        network.player.receive(frame(sequence, segment=sequence // 3, last=sequence == 5))
    await network.player.play_segment(0)
    assert heard(network.player) == [0, 1, 2]
    await network.player.play_segment(1)
    await network.player.stop()
    assert heard(network.player) == list(range(6))
    assert network.player.finished
    assert (network.player.position.segment_index, network.player.position.frame_sequence) == (1, 5)


async def test_a_gap_after_an_outage_is_asked_for_before_it_is_filled():
    """Nothing came for a while; then a later frame is the first to arrive: what lies between is asked for and heard."""
    network = Network()
    network.count = 10
    loop = asyncio.get_running_loop()
    for sequence in range(3):
        network.player.receive(frame(sequence))
    loop.call_later(2.0, network.player.receive, frame(8))
    loop.call_later(2.01, network.player.receive, frame(9, last=True))
    network.kept = False
    loop.call_later(1.99, setattr, network, "kept", True)
    await network.player.play_segment(0)
    await network.player.stop()
    assert heard(network.player) == list(range(10))
    assert network.player.concealed_count == 0


async def test_speech_that_never_begins_is_waited_for_once():
    """For as long as the first frame may take, which is not the time between two frames."""
    loop = asyncio.get_running_loop()
    for first_s in (2.0, 5.0):
        player = SpeechPlayer(
            OutcomeId("o"),
            Output(NullSink(), rate=RATE),
            ask_again=Network().ask_again,
            timings=SpeechTimings(stall_s=3.0, first_s=first_s),
            started=lambda: None,
        )
        began = loop.time()
        with pytest.raises(SpeechLostError):
            await player.play_segment(0)
        await player.stop()
        assert loop.time() - began == pytest.approx(first_s, abs=0.1)
