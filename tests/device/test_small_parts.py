from __future__ import annotations

import asyncio
import math
import time
import uuid
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot_chassis.ids import uuid7
from earshot_device.bus.missed import MissedDirectives
from earshot_device.core.directives import Directive, DirectiveLog, Pause
from earshot_device.core.ids import DirectiveId, OutcomeId, TurnId
from earshot_device.decisions import CAPACITY, Decisions
from earshot_device.errors import AudioInputError, AudioOutputError, RequestRefusedError
from earshot_device.identity import Identity
from earshot_device.sound import tones
from earshot_device.sound.microphone import Microphone, PreRoll
from earshot_device.sound.output import Channel, Output
from earshot_device.sound.pacing import Pacer
from earshot_device.sound.portaudio import sound_library
from earshot_device.sound.sinks import LoudspeakerSink, NullSink, WavSink
from earshot_device.sound.sources import NoiseFloor, SampleSource, file_source
from earshot_topology.subjects import InvalidTokenError

looptime = pytest.mark.looptime


def test_ids_are_uuid_version_7_and_sort_by_time():
    """Ids carry their time: later ones sort behind earlier ones."""
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert first < second
    assert abs((uuid.UUID(second).int >> 80) / 1000 - time.time()) < 5


def test_an_identity_can_not_widen_a_subject():
    """An id with a wildcard or a dot is refused; the inbox is the device's own."""
    for bad in ("", "a.b", "*", ">", "a b"):
        with pytest.raises(InvalidTokenError):
            Identity(household_id=bad, device_id="d")
    assert Identity(household_id="h1", device_id="d1").inbox_prefix == "_INBOX.device.h1.d1"


def test_decisions_outlive_a_restart(tmp_path):
    """A turn that was bound or abandoned stays so after a restart; the highest directive revision is kept."""
    path = tmp_path / "state.json"
    before = Decisions(path)
    assert before.bind(TurnId("t1"), OutcomeId("o1"))
    assert before.abandon(TurnId("t2"))
    before.note_directive(Directive(directive_id=DirectiveId("d"), revision=7, command=Pause()))
    after = Decisions(path)
    assert after.directive_revision == 7
    assert after.directives == (DirectiveId("d"),)
    assert after.bind(TurnId("t1"), OutcomeId("o1"))
    assert not after.bind(TurnId("t1"), OutcomeId("o2"))
    assert not after.bind(TurnId("t2"), OutcomeId("o1"))
    assert not after.abandon(TurnId("t1"))


def test_decisions_are_bounded_and_survive_a_broken_file(tmp_path):
    """Only the newest decisions are kept; a file that can't be read is taken as empty."""
    path = tmp_path / "state.json"
    path.write_text("{not json")
    assert Decisions(path).bind(TurnId("t"), OutcomeId("o"))
    decisions = Decisions()
    for number in range(CAPACITY + 10):
        decisions.bind(TurnId(f"t{number}"), OutcomeId("o"))
    assert decisions.bind(TurnId("t0"), OutcomeId("another"))
    assert not decisions.bind(TurnId(f"t{CAPACITY}"), OutcomeId("another"))


def test_a_directive_is_carried_out_once():
    """A repeated id is refused, an earlier revision that was lost is not, and what an earlier boot did is."""

    def directive(name, revision):
        return Directive(directive_id=DirectiveId(name), revision=revision, command=Pause())

    log = DirectiveLog(revision=3)
    assert not log.admit(directive("a", 3))
    assert log.admit(directive("c", 5))
    assert log.admit(directive("b", 4))
    assert not log.admit(directive("c", 5))
    assert log.revision == 5


@given(blocks=st.lists(st.integers(1, 900), max_size=40))
def test_the_pre_roll_is_the_newest_sound(blocks):
    """Whatever the blocks' lengths, the pre-roll is the last half second in order, or all there has been."""
    roll, heard = PreRoll(0.5, 1000), np.arange(sum(blocks)).astype(np.int16)
    begin = 0
    for size in blocks:
        roll.append(heard[begin : begin + size])
        begin += size
    assert np.array_equal(roll.take(), heard[-500:] if len(heard) else heard)
    assert len(roll.take()) == 0


async def test_a_microphone_leads_a_turn_with_what_it_heard_before():
    """What was heard before the turn comes first, then what is heard; closing the microphone ends the turn."""
    microphone = Microphone(1000, pre_roll_s=0.1)
    microphone.feed(np.arange(300, dtype=np.int16))
    heard = []

    async def turn():
        heard.extend([block async for block in microphone.blocks()])

    listening = asyncio.create_task(turn())
    await asyncio.sleep(0)
    microphone.feed(np.array([7, 8], np.int16))
    await asyncio.sleep(0)
    microphone.close()
    await listening
    assert np.array_equal(np.concatenate(heard), [*range(200, 300), 7, 8])


async def test_missing_portaudio_is_one_sentence(monkeypatch):
    """Where PortAudio is missing, the error names Debian's package, for microphone and loudspeaker."""

    def missing(name, *_arguments):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *_arguments)

    real = __import__
    monkeypatch.setattr("builtins.__import__", missing)
    with pytest.raises(AudioInputError, match="libportaudio2"):
        Microphone().open()
    with pytest.raises(AudioOutputError, match="libportaudio2"):
        await LoudspeakerSink().open(16_000)
    with pytest.raises(AudioOutputError, match="libportaudio2"):
        sound_library(AudioOutputError)


async def test_a_source_never_falls_digitally_silent():
    """Digital silence gets the noise floor, at its level; without one it stays as it is."""
    source = SampleSource(np.zeros(16_000, np.int16), 16_000, noise=NoiseFloor(-63.0))
    heard = np.concatenate([block async for block in source.blocks()]).astype(float)
    assert len(heard) == 16_000 + 3_200
    assert 20 * math.log10(heard.std() / 32768) == pytest.approx(-63.0, abs=0.5)
    bare = SampleSource(np.zeros(100, np.int16), 16_000, pre_roll_s=0)
    assert not np.concatenate([block async for block in bare.blocks()]).any()


async def test_a_file_is_a_source(tmp_path):
    """A stereo WAV is read as mono at its own rate; what is no audio is refused with its name."""
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(22_050)
        writer.writeframes(np.tile(np.array([100, 300], "<i2"), 1000).tobytes())
    source = file_source(path, pre_roll_s=0)
    heard = np.concatenate([block async for block in source.blocks()])
    assert source.rate == 22_050
    assert np.array_equal(heard, np.full(1000, 200))
    bad = tmp_path / "notes.txt"
    bad.write_text("words")
    for unreadable in (bad, tmp_path / "missing.wav"):
        with pytest.raises(AudioInputError, match=unreadable.name):
            file_source(unreadable)


@looptime
async def test_sound_takes_its_time():
    """A pacer waits in real time, a multiple of it, or not at all, and does not drift by what lies between."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    pacer = Pacer(1.0)
    for _ in range(50):
        await pacer.wait(0.04)
        await asyncio.sleep(0.01)
    assert loop.time() - began == pytest.approx(2.01, abs=0.011)
    began = loop.time()
    fast = Pacer(4.0)
    for _ in range(100):
        await fast.wait(0.04)
    assert loop.time() - began == pytest.approx(1.0)
    began = loop.time()
    await Pacer(math.inf).wait(1e9)
    assert loop.time() == began
    for bad in (0, -1, math.nan):
        with pytest.raises(ValueError, match="speed"):
            Pacer(bad)


class Recorder(NullSink):
    """Keeps what it hears."""

    def __init__(self):
        super().__init__()
        self.heard = []

    async def write(self, samples):
        """Keep."""
        self.heard.extend(samples.tolist())


@looptime
async def test_a_turn_silences_media_which_goes_on_after_it():
    """Media waits while a turn or ringing is held, loses nothing, and is heard behind it."""
    sink = Recorder()
    output = Output(sink, rate=100)

    async def media():
        for block in range(5):
            await output.write(Channel.MEDIA, np.full(100, block, np.int16))

    playing = asyncio.create_task(media())
    await asyncio.sleep(1.5)
    with output.hold(Channel.TURN):
        await asyncio.sleep(10)
        await output.write(Channel.TURN, np.full(100, 9, np.int16))
        await asyncio.sleep(10)
    await playing
    assert sink.heard == [0] * 100 + [1] * 100 + [9] * 100 + [2] * 100 + [3] * 100 + [4] * 100


async def test_the_volume_is_limited_and_heard():
    """Volume is 0 to 100; 50 leaves the sound as it is, 0 and muting silence it, and loud sound is limited."""
    sink = Recorder()
    output = Output(sink, rate=100, speed=math.inf)
    levels = []
    for percent, delta in ((None, 0), (250, None), (None, -30), (0, None), (None, -10), (25, None)):
        output.change_volume(percent=percent, delta=delta)
        levels.append(output.volume_percent)
        await output.write(Channel.TURN, np.array([20_000], np.int16))
    output.muted = True
    await output.write(Channel.TURN, np.array([20_000], np.int16))
    assert levels == [50, 100, 70, 0, 0, 25]
    assert sink.heard == [20_000, 32_767, 32_767, 0, 0, 5_000, 0]


async def test_a_wav_sink_holds_what_was_heard(tmp_path):
    """The file has the output's rate and every sample; a folder that is not there is one sentence."""
    sink = WavSink(tmp_path / "out.wav")
    output = Output(sink, rate=8_000, speed=math.inf)
    await output.open()
    await output.write(Channel.TURN, np.arange(50, dtype=np.int16))
    await output.close()
    with wave.open(str(tmp_path / "out.wav")) as reader:
        assert reader.getframerate() == 8_000
        assert np.array_equal(np.frombuffer(reader.readframes(100), "<i2"), np.arange(50))
    with pytest.raises(AudioOutputError, match=r"missing/out\.wav"):
        await WavSink(tmp_path / "missing" / "out.wav").open(8_000)


def test_each_locale_has_its_own_apology():
    """The clips differ by language, are short, audible and not clipped; an unknown locale has the English one."""
    english, mandarin, other = (tones.apology(locale, 16_000) for locale in ("en-US", "zh-CN", "fi-FI"))
    assert not np.array_equal(english, mandarin)
    assert np.array_equal(english, other)
    for clip in (english, mandarin, tones.ring(16_000)):
        assert 0.3 < len(clip) / 16_000 < 1.5
        assert 4_000 < np.abs(clip).max() < 32_000


class ScriptedLink:
    """Answers questions as it is told: None is silence, "" an answer, and anything else the code of a refusal."""

    def __init__(self, script: list[str | None]) -> None:
        self.script = script
        self.connected = True
        self.asked_at: list[float] = []
        self.left = 0

    async def request(self, _subject: str, _payload: bytes, *, timeout_s: float) -> bytes | None:
        """Answer the next question; the last answer is given for ever."""
        self.asked_at.append(asyncio.get_running_loop().time())
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if said is None:
            await asyncio.sleep(timeout_s)
            return None
        if said:
            raise RequestRefusedError("no", code=said)
        return b""

    async def leave(self) -> bool:
        """Count; there is another server."""
        self.left += 1
        return True


async def asking(link: ScriptedLink, for_s: float) -> None:
    """Ask for some time."""
    missed = MissedDirectives(link, subject="device.h1.d1.up.directives", every_s=1000.0)  # type: ignore[arg-type]
    await missed.ask()
    await asyncio.sleep(for_s)
    await missed.stop()


@looptime
@pytest.mark.parametrize(
    ("script", "left_after"),
    [
        ([None], 5),
        (["bus_unavailable"], 5),
        ([None, "bus_unavailable", None, "bus_unavailable", None], 5),
        (["bus_unavailable", None, None, None, "storage_full", "bus_unavailable"], 10),
        (["internal"], None),
        (["bus_unavailable", ""], None),
    ],
)
async def test_a_server_is_left_after_five_questions_that_nobody_could_answer(script, left_after):
    """Silence counts, and a cloud that has no streams there; any other refusal is the word of a node that is not alone."""
    link = ScriptedLink(list(script))
    await asking(link, 400)
    assert link.left == (0 if left_after is None else 1)
    assert left_after in {None, len(link.asked_at)}


@looptime
@pytest.mark.parametrize("off", [None, "bus_unavailable", "internal"])
async def test_after_anything_was_off_it_asks_again_soon_and_twice(off):
    """What is off once is asked again within seconds, and so is what came too late for the answer then; each connection too."""
    link = ScriptedLink(["", off, ""])
    await asking(link, 100)
    first, second, third, fourth = link.asked_at
    assert second - first <= 3
    assert third - second <= 3
    assert fourth - third <= 3
