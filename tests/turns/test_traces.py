"""One trace a turn, from the device's microphone to its loudspeaker, and nothing in it that should not be."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import Any

import httpx
import pytest

from earshot_local.stack import Stack
from earshot_topology import attributes
from earshot_topology.subjects import DeviceAddress
from earshot_tracestore.waits import Stage
from support.browsing import browser
from support.stack import converse, device, spans_of, speech

Node = tuple[str, str, str]

DEVICE = "earshot-test"
"""The tests run the device in their own process."""

TURN: Node = (DEVICE, "voice.turn", "internal")
HEARD: Node = ("earshot-asr", "utterance.started process", "consumer")
RECOGNISED: Node = ("earshot-asr", "asr.recognize", "internal")
UNDERSTOOD: Node = ("earshot-nlu", "turn.transcribed process", "consumer")
DECIDED: Node = ("earshot-dialogue", "turn.interpreted process", "consumer")
ASKED: Node = ("earshot-dialogue", "earshot.skill.v1.Skill/Handle", "client")
SPOKEN: Node = ("earshot-tts", "turn.outcome process", "consumer")
SPEAKING: Node = ("earshot-tts", "tts.speak", "internal")
EDGES: set[tuple[Node, Node]] = {
    (TURN, HEARD),
    (TURN, ("earshot-dialogue", "utterance.started process", "consumer")),
    (HEARD, RECOGNISED),
    (RECOGNISED, ("earshot-asr", "asr.listen", "internal")),
    (RECOGNISED, ("earshot-asr", "asr.silence", "internal")),
    (RECOGNISED, ("earshot-asr", "asr.decode", "internal")),
    (HEARD, UNDERSTOOD),
    (UNDERSTOOD, ("earshot-nlu", "nlu.interpret", "internal")),
    (UNDERSTOOD, DECIDED),
    (DECIDED, ("earshot-dialogue", "dialogue.decide", "internal")),
    (DECIDED, ASKED),
    (ASKED, ("earshot-skill-clock", "earshot.skill.v1.Skill/Handle", "server")),
    (DECIDED, SPOKEN),
    (SPOKEN, SPEAKING),
    (SPEAKING, ("earshot-tts", "tts.synthesize", "internal")),
    (SPEAKING, ("earshot-tts", "tts.pace", "internal")),
    (TURN, (DEVICE, "device.playback", "internal")),
}
"""Every span of a spoken turn that goes well, with the span that it is directly below: service, name, kind."""

STANDARD = ("messaging.", "rpc.", "error.", "service.", "telemetry.", "host.", "process.")


def node(span: dict[str, Any]) -> Node:
    """Return what a span is."""
    return span["service"], span["name"], span["kind"]


def edges(spans: list[dict[str, Any]]) -> Counter[tuple[Node, Node]]:
    """Count the direct parent → child pairs among spans."""
    by_id = {span["span_id"]: span for span in spans}
    below = [span for span in spans if span["parent_span_id"] in by_id]
    return Counter((node(by_id[span["parent_span_id"]]), node(span)) for span in below)


async def test_spoken_turn_is_one_trace(stack: Stack, address: DeviceAddress) -> None:
    """A spoken turn is one trace of known spans, each below the right one; no ids, no words, no undeclared attributes."""
    async with device(stack, address) as speaking:
        result = await speaking.say(await speech(stack, "what time is it in Tokyo", "en-US"))
        await speaking.settled()
    assert result.trace_id
    spans = await spans_of(stack, result.trace_id, lambda found: len(found) > len(EDGES))
    found = edges(spans)
    assert set(found) == EDGES, (EDGES - set(found), set(found) - EDGES)
    assert len(spans) <= 25
    assert len(spans) == len(EDGES) + 1, f"something has a span each time: {found}"
    by_id = {span["span_id"] for span in spans}
    assert [node(span) for span in spans if span["parent_span_id"] not in by_id] == [TURN]
    async with browser(base_url=stack.traces_url) as client:
        told = (await client.get(f"/api/turns/{result.turn_id}")).json()["turn"]
    assert told["first_audio_s"] == result.first_audio_s
    waited = {wait["stage"]: wait["seconds"] for wait in told["waits"]}
    assert waited.keys() <= {stage.value for stage in Stage} - {Stage.LOST.value}
    # A wait of a few milliseconds is not told.
    assert sum(waited.values()) == pytest.approx(result.first_audio_s, abs=0.05)
    root = next(span for span in spans if node(span) == TURN)
    listen, silence, decode = (_of(spans, name) for name in ("asr.listen", "asr.silence", "asr.decode"))
    assert listen["end_ns"] == max(listen["start_ns"], silence["start_ns"])
    assert silence["end_ns"] <= decode["start_ns"]
    assert root["attributes"][attributes.TURN_ID] == result.turn_id
    identifiers = (result.turn_id, address.household, address.device, str(result.outcome_id))
    for span in spans:
        assert not any(identifier in span["name"] for identifier in identifiers), span["name"]
        assert not re.search(r"[0-9a-f]{8}-", span["name"])
        undeclared = {
            name for name in span["attributes"] if name not in attributes.DECLARED and not name.startswith(STANDARD)
        }
        assert not undeclared, (span["name"], undeclared)
    said = json.dumps([{**span, "attributes": _without_pii(span["attributes"])} for span in spans]).lower()
    assert "what time" not in said
    assert "tokyo" not in said


def _of(spans: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [span for span in spans if span["name"] == name]
    return found


def _without_pii(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if ".pii." not in name}


async def test_every_line_of_a_log_is_json(stack: Stack, address: DeviceAddress) -> None:
    """What services write while a turn is spoken, answered and carried to the device can be read by a program."""
    async with device(stack, address) as speaking:
        result = await speaking.say(await speech(stack, "what time is it in Tokyo", "en-US"))
        assert result.answer_text
    logs = {path.stem: path.read_text() for path in stack.home.logs.glob("*.log") if path.stem != "nats-server"}
    assert {"asr-0", "nlu-0", "dialogue-0", "tts-0", "clock-0"} <= set(logs)
    for name, written in logs.items():
        other = [line for line in written.splitlines() if not _is_json_object(line)]
        assert not other, (name, other[:5])


def _is_json_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


async def test_a_turn_that_is_not_understood_says_so_in_the_ledger(stack: Stack, address: DeviceAddress) -> None:
    """Dialogue answers that it did not understand; whoever lists turns sees that, and not an answer like any other."""
    typed = await converse(stack, "florble the gromulator", "en-US", address)
    turn_id = typed.outcomes[0].turn.turn_id
    async with browser(base_url=stack.traces_url) as client, asyncio.timeout(10):
        while (answer := await client.get(f"/api/turns/{turn_id}")).status_code != httpx.codes.OK:
            await asyncio.sleep(0.05)
        while not answer.json()["turn"]["outcome"]:
            answer = await client.get(f"/api/turns/{turn_id}")
    told = answer.json()["turn"]
    assert (told["state"], told["error_code"]) == ("answered", "not_understood")
