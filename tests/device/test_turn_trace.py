from __future__ import annotations

import asyncio

import numpy as np
import pytest

from earshot_chassis import telemetry
from earshot_topology.attributes import DECLARED
from support.spans import recorded_spans

SPEECH = np.full(1600, 1000, np.int16)


@pytest.fixture
def spans():
    """Record spans."""
    yield from recorded_spans()


async def test_a_turn_is_one_trace(cloud, open_device, spans):
    """The root span begins with the utterance, playback is its child, and start and events carry its context."""
    device = await open_device()
    with telemetry.span("caller"):
        saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 5))
    result = await saying
    await cloud.settled(device)

    mine = {span.name: span for span in spans.get_finished_spans() if span.name != "caller"}
    root, playback = mine["voice.turn"], mine["device.playback"]
    assert set(mine) == {"voice.turn", "device.playback"}
    assert root.parent is None
    assert format(root.context.trace_id, "032x") == result.trace_id
    assert playback.parent.span_id == root.context.span_id
    carried = [cloud.starts[0][1]["traceparent"]]
    events = zip(cloud.events, cloud.event_headers, strict=True)
    carried += [headers["traceparent"] for event, headers in events if event.turn_id]
    assert len(carried) == 3
    assert {tuple(one.split("-")[1:3]) for one in carried} == {(result.trace_id, f"{root.context.span_id:016x}")}
    assert root.attributes["voice.turn.id"] == turn
    assert root.attributes["voice.turn.outcome"] == "answered"
    assert root.attributes["voice.first_audio_s"] == result.first_audio_s
    for span in mine.values():
        assert set(span.attributes) <= DECLARED


@pytest.mark.usefixtures("cloud")
async def test_an_abandoned_turn_is_marked(open_device, spans):
    """A turn that the device gave up has an error status with its reason."""
    device = await open_device(answer_timeout_s=0.2, trailing_silence_s=0.0)
    await device.say(SPEECH)
    root = next(span for span in spans.get_finished_spans() if span.name == "voice.turn")
    assert root.status.description == "cloud_timeout"
    assert root.attributes["error.type"] == "cloud_timeout"
