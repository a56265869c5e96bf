"""One trace a turn, from the device's microphone to its loudspeaker, and nothing in it that should not be."""

from __future__ import annotations

import json
import re

from earshot_local.stack import Stack
from earshot_topology import attributes
from earshot_topology.subjects import DeviceAddress
from support.stack import device, spans_of, speech

EDGES = {
    ("voice.turn", "utterance.started process"),
    ("utterance.started process", "turn.transcribed process"),
    ("turn.transcribed process", "turn.interpreted process"),
    ("turn.interpreted process", "earshot.skill.v1.Skill/Handle"),
    ("earshot.skill.v1.Skill/Handle", "earshot.skill.v1.Skill/Handle"),
    ("turn.interpreted process", "turn.outcome process"),
    ("voice.turn", "device.playback"),
}
SERVICES = {
    "earshot-asr",
    "earshot-nlu",
    "earshot-dialogue",
    "earshot-skill-clock",
    "earshot-tts",
}
STANDARD = ("messaging.", "rpc.", "error.", "service.", "telemetry.", "host.", "process.")


def ancestors(span: dict, by_id: dict[str, dict]) -> list[str]:
    """Return the names of a span's ancestors, the nearest first."""
    names = []
    while (span := by_id.get(span["parent_span_id"])) is not None:
        names.append(span["name"])
    return names


async def test_spoken_turn_is_one_trace(stack: Stack, address: DeviceAddress) -> None:
    """A spoken turn is one trace over device, asr, nlu, dialogue, skill and tts, with the expected parents."""
    async with device(stack, address) as speaking:
        result = await speaking.say(await speech(stack, "what time is it in Tokyo", "en-US"))
        await speaking.settled()
    assert result.trace_id

    def whole(spans: list[dict]) -> bool:
        return {span["service"] for span in spans} >= SERVICES and any(s["name"] == "voice.turn" for s in spans)

    spans = await spans_of(stack, result.trace_id, whole)
    by_id = {span["span_id"]: span for span in spans}
    assert {span["service"] for span in spans} >= SERVICES
    reached = {(above, span["name"]) for span in spans for above in ancestors(span, by_id)}
    assert reached >= EDGES, EDGES - reached
    assert len(spans) <= 25, sorted(span["name"] for span in spans)
    roots = [span["name"] for span in spans if span["parent_span_id"] not in by_id]
    assert roots == ["voice.turn"], roots


async def test_spans_are_named_and_annotated_by_the_rules(stack: Stack, address: DeviceAddress) -> None:
    """No id in a span's name, no attribute that is not declared, the turn found by its id."""
    async with device(stack, address) as speaking:
        result = await speaking.say(await speech(stack, "what time is it", "en-US"))
        await speaking.settled()
    spans = await spans_of(stack, result.trace_id, lambda found: any(span["name"] == "voice.turn" for span in found))
    identifiers = (result.turn_id, address.household, address.device, str(result.outcome_id))
    for span in spans:
        assert not any(identifier in span["name"] for identifier in identifiers), span["name"]
        assert not re.search(r"[0-9a-f]{8}-", span["name"])
        undeclared = {
            name for name in span["attributes"] if name not in attributes.DECLARED and not name.startswith(STANDARD)
        }
        assert not undeclared, (span["name"], undeclared)
    root = next(span for span in spans if span["name"] == "voice.turn")
    assert root["attributes"][attributes.TURN_ID] == result.turn_id
    said = json.dumps([{**span, "attributes": _without_pii(span["attributes"])} for span in spans])
    assert "what time" not in said


def _without_pii(found: dict) -> dict:
    return {name: value for name, value in found.items() if ".pii." not in name}
