from __future__ import annotations

import asyncio
import io
import math
import time

import numpy as np
import pytest
import soundfile

from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot_device.sound.sinks import NullSink
from support.fake_cloud import sequences_in
from support.media_server import media_server

SPEECH = np.full(1600, 1000, np.int16)
RATE = 24_000


class Recorder(NullSink):
    """Keeps what it hears, without repeats."""

    def __init__(self):
        super().__init__()
        self.heard = []

    async def write(self, samples):
        """Keep the level of each block that differs from the one before."""
        level = round(float(samples.mean()), -2)
        if not self.heard or self.heard[-1] != level:
            self.heard.append(level)
        self.sample_count += len(samples)


def tune(level: int, seconds: float = 1.0, rate: int = RATE) -> bytes:
    """Return a FLAC file whose samples are all the same."""
    file = io.BytesIO()
    soundfile.write(file, np.full((int(seconds * rate), 2), level, np.int16), rate, format="FLAC")
    return file.getvalue()


def item(media, name: str, level: int, *, seconds: float = 1.0, **fields) -> directive_pb2.MediaItem:
    """Return an item whose file is on the server."""
    media.files[f"/{name}"] = tune(level, seconds)
    return directive_pb2.MediaItem(item_id=name, url=media.url(f"/{name}"), media_type="audio/flac", **fields)


def play(*items, directive_id="t.0", enqueue=False) -> directive_pb2.Directive:
    """Return a Play directive."""
    behavior = directive_pb2.PLAY_BEHAVIOR_ENQUEUE if enqueue else directive_pb2.PLAY_BEHAVIOR_REPLACE_ALL
    return directive_pb2.Directive(directive_id=directive_id, play=directive_pb2.Play(items=items, behavior=behavior))


@pytest.fixture
async def media():
    """Serve media."""
    async with media_server() as server:
        yield server


async def until(ready) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(10):
        while not ready():
            await asyncio.sleep(0.005)


async def turn_with(cloud, device, *directives, frames=0, text=""):
    """Run a turn whose outcome holds directives, and speech if `frames`."""
    number = len(cloud.starts) + 1
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started(number)
    outcome = f"o{number}"
    await cloud.outcome(turn, outcome_id=outcome, text=text, directives=directives)
    if frames:
        await cloud.speak(cloud.speech(turn, frames, outcome_id=outcome))
    return await saying


async def test_media_plays_after_the_words_that_announce_it(cloud, open_device, media):
    """Speech comes before the tune; the directive is acknowledged, and the end of the tune is told."""
    sink = Recorder()
    device = await open_device(sink=sink)
    result = await turn_with(cloud, device, play(item(media, "a", 4000)), frames=3, text="Here is a tune.")
    await device.media_idle()
    await cloud.settled(device)
    assert sequences_in(result.answer) == [0, 1, 2]
    assert sink.heard == [0.0, 4000.0]
    assert cloud.of_kind("directive_acknowledged")[0].directive_acknowledged.directive_id == "t.0"
    assert [event.media_finished.media_item_id for event in cloud.of_kind("media_finished")] == ["a"]
    states = [event.state_changed for event in cloud.of_kind("state_changed")]
    assert (states[0].media_item_id, states[0].media_playing) == ("a", True)
    assert (states[-1].media_item_id, states[-1].media_playing) == ("", False)


async def test_a_queue_plays_in_order(cloud, open_device, media):
    """Items follow one another; an enqueued one comes behind them, a replacing one instead of them."""
    sink = Recorder()
    device = await open_device(sink=sink, playback_speed=20.0)
    await turn_with(cloud, device, play(item(media, "a", 1000), item(media, "b", 2000)))
    await turn_with(cloud, device, play(item(media, "c", 3000), enqueue=True))
    await device.media_idle()
    assert sink.heard == [1000.0, 2000.0, 3000.0]
    await turn_with(cloud, device, play(item(media, "d", 4000, seconds=200), item(media, "e", 5000)))
    await until(lambda: 4000.0 in sink.heard)
    await turn_with(cloud, device, play(item(media, "f", 6000)))
    await device.media_idle()
    assert sink.heard[3:] == [4000.0, 6000.0]


async def test_pause_and_resume_keep_the_place(cloud, open_device, media):
    """A paused tune goes on where it was; stopping forgets it."""
    sink = NullSink()
    device = await open_device(sink=sink, playback_speed=20.0)
    await turn_with(cloud, device, play(item(media, "a", 1000, seconds=60)))
    await until(lambda: sink.sample_count > 0)
    await turn_with(cloud, device, directive_pb2.Directive(directive_id="p", pause=directive_pb2.Pause()))
    paused = device.state
    before = sink.sample_count
    await asyncio.sleep(0.1)
    assert (paused.media_item_id, paused.media_playing) == ("a", False)
    assert sink.sample_count == before
    assert 0 < device.state.media_offset_s < 60
    await turn_with(cloud, device, directive_pb2.Directive(directive_id="r", resume=directive_pb2.Resume()))
    await device.media_idle()
    assert sink.sample_count == pytest.approx(60 * RATE, abs=RATE // 100)
    await turn_with(cloud, device, play(item(media, "b", 1000, seconds=200)))
    await turn_with(cloud, device, directive_pb2.Directive(directive_id="s", stop=directive_pb2.Stop()))
    assert device.state.media_item_id == ""


async def test_a_turn_pauses_media_while_it_lasts(cloud, open_device, media):
    """While the device listens and answers, media is silent; afterwards it goes on."""
    sink = Recorder()
    device = await open_device(sink=sink, playback_speed=20.0)
    await turn_with(cloud, device, play(item(media, "a", 4000, seconds=60)))
    await until(lambda: sink.heard)
    await turn_with(cloud, device, frames=3, text="Noon.")
    await device.media_idle()
    assert sink.heard == [4000.0, 0.0, 4000.0]
    assert sink.sample_count == pytest.approx(60 * RATE + 3 * 960, abs=RATE // 100)


async def test_the_volume_changes(cloud, open_device):
    """Absolute and relative volume are limited to 0 to 100 and told as state."""
    device = await open_device()
    for number, (field, value, expected) in enumerate(
        [("volume_percent", 70, 70), ("delta_percent", -20, 50), ("delta_percent", 90, 100), ("volume_percent", 0, 0)]
    ):
        change = directive_pb2.SetVolume(**{field: value})
        await turn_with(cloud, device, directive_pb2.Directive(directive_id=f"v{number}", set_volume=change))
        assert device.state.volume_percent == expected
    await cloud.settled(device)
    told = [event.state_changed.volume_percent for event in cloud.of_kind("state_changed")]
    assert told == [70, 50, 100, 0]


async def test_ringing_lasts_until_it_is_stopped(cloud, open_device):
    """A ringing timer sounds until StopRing for it; a second one keeps ringing."""
    sink = NullSink()
    device = await open_device(sink=sink, playback_speed=10.0)
    for revision, name in ((1, "eggs"), (2, "tea")):
        ring = directive_pb2.Ring(occurrence_id=name, label=name)
        await cloud.direct(directive_pb2.Directive(directive_id=name, revision=revision, ring=ring))
    await cloud.event("directive_acknowledged", 2)
    assert device.state.ringing == ("eggs", "tea")
    for revision, name in ((3, "eggs"), (4, "tea")):
        stop = directive_pb2.StopRing(occurrence_id=name)
        await cloud.direct(directive_pb2.Directive(directive_id=f"stop-{name}", revision=revision, stop_ring=stop))
        await cloud.event("directive_acknowledged", revision)
        assert device.state.ringing == (("tea",) if name == "eggs" else ())
        if name == "eggs":
            before = sink.sample_count
            await until(lambda: sink.sample_count > before)  # noqa: B023
    heard = sink.sample_count
    await asyncio.sleep(0.05)
    assert heard > 0
    assert sink.sample_count == heard


async def test_directives_outside_an_outcome_are_carried_out_once(cloud, open_device, tmp_path):
    """A repeated directive is carried out and acknowledged once; after a restart the device tells how far it came."""
    device = await open_device(state_file=tmp_path / "state.json")
    louder = directive_pb2.Directive(directive_id="x", revision=9, set_volume=directive_pb2.SetVolume(delta_percent=10))
    for _ in range(3):
        await cloud.direct(louder)
    acknowledged = await cloud.event("directive_acknowledged")
    assert acknowledged.directive_acknowledged.revision == 9
    assert device.state.volume_percent == 60
    await cloud.settled(device)
    await open_device(state_file=tmp_path / "state.json")
    again = await cloud.event("connected", 2)
    assert again.connected.directive_revision == 9


async def failure(cloud, directive) -> upstream_pb2.DirectiveFailed:
    """Send a directive that can't be carried out and return what the device says."""
    number = len(cloud.of_kind("directive_failed")) + 1
    await cloud.direct(directive)
    return (await cloud.event("directive_failed", number)).directive_failed


async def test_what_can_not_be_carried_out_is_told(cloud, open_device, media):
    """Each failure names its directive and has a code: nothing to play, not there, not audio, not http, too late."""
    device = await open_device()
    media.files["/words"] = b"these are words" * 100
    bad = {
        "media_missing": play(directive_id="1"),
        "media_undecodable": play(directive_pb2.MediaItem(url=media.url("/words")), directive_id="2"),
        "media_unavailable": play(directive_pb2.MediaItem(url=media.url("/nothing")), directive_id="3"),
        "unknown_directive": directive_pb2.Directive(directive_id="4"),
        "not_supported": directive_pb2.Directive(directive_id="5", speak=directive_pb2.Speak(text="hello")),
    }
    for code, directive in bad.items():
        failed = await failure(cloud, directive)
        assert (failed.directive_id, failed.error.code, failed.error.stage) == (directive.directive_id, code, "device")
    for url in ("file:///etc/passwd", "http://127.0.0.1:1/x"):
        failed = await failure(cloud, play(directive_pb2.MediaItem(url=url), directive_id=url[:4]))
        assert failed.error.code == "media_unavailable"
    late = directive_pb2.Directive(directive_id="6", pause=directive_pb2.Pause())
    late.expire_time.FromSeconds(int(time.time()) - 60)
    assert (await failure(cloud, late)).error.code == "directive_expired"
    assert device.state.media_item_id == ""


async def test_long_media_is_fetched_in_ranges(cloud, open_device, media):
    """A long file is fetched block by block, from where the item begins."""
    noise = np.random.default_rng(0).integers(-3000, 3000, RATE * 20).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, noise, RATE, format="FLAC")
    media.files["/long"] = file.getvalue()
    entry = directive_pb2.MediaItem(item_id="long", url=media.url("/long"))
    entry.start_offset.FromSeconds(15)
    sink = NullSink()
    device = await open_device(sink=sink)
    await turn_with(cloud, device, play(entry))
    await device.media_idle()
    assert sink.sample_count == pytest.approx(RATE * 5, abs=100)
    assert media.ranges[0] == 0
    assert all(first % (128 * 1024) == 0 for first in media.ranges)
    assert len(set(media.ranges)) < math.ceil(len(file.getvalue()) / (128 * 1024))


async def test_a_media_server_that_dies_ends_the_tune(cloud, open_device, media):
    """When the rest can't be fetched the tune ends, the next item plays, and the device goes on."""
    noise = np.random.default_rng(0).integers(-3000, 3000, RATE * 60).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, noise, RATE, format="FLAC")
    media.files["/long"] = file.getvalue()
    device = await open_device(playback_speed=30.0)
    await turn_with(cloud, device, play(directive_pb2.MediaItem(item_id="long", url=media.url("/long"))))
    await until(lambda: device.state.media_offset_s > 0)
    media.failing = True
    await asyncio.wait_for(device.media_idle(), 8)
    await cloud.settled(device)
    assert not cloud.of_kind("media_finished")
    assert device.state.media_item_id == ""


async def test_speak_says_where_the_words_go(cloud, open_device):
    """A Speak directive between others is where the prompts are heard; every directive is acknowledged in order."""
    device = await open_device()
    directives = (
        directive_pb2.Directive(directive_id="1", set_volume=directive_pb2.SetVolume(volume_percent=40)),
        directive_pb2.Directive(directive_id="2", speak=directive_pb2.Speak(text="Forty.")),
        directive_pb2.Directive(directive_id="3", set_volume=directive_pb2.SetVolume(volume_percent=60)),
    )
    result = await turn_with(cloud, device, *directives, frames=2, text="Forty.")
    await cloud.settled(device)
    order = [event.WhichOneof("event") for event in cloud.events if event.turn_id == result.turn_id]
    kept = [event.directive_acknowledged.directive_id for event in cloud.of_kind("directive_acknowledged")]
    assert kept == ["1", "2", "3"]
    assert order.index("directive_acknowledged") < order.index("playback_started")
    assert order.index("playback_finished") < order.index("directive_acknowledged", order.index("playback_started"))
