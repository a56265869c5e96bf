"""Earshot's messages, to and from what the command shows. The only protobuf in the command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict

from earshot.common.v1.audio_pb2 import AudioEncoding, AudioFormat
from earshot.dialogue.v1.assistant_pb2 import ConverseRequest, ConverseResponse
from earshot.dialogue.v1.outcome_pb2 import Outcome, OutcomeKind
from earshot.nlu.v1.interpreter_pb2 import Hypothesis, Slot
from earshot.tts.v1.synthesizer_pb2 import SynthesizeRequest


def synthesize_request(text: str, locale: str, rate: int) -> SynthesizeRequest:
    """Ask for 16-bit mono samples at a rate in hertz."""
    wanted = AudioFormat(encoding=AudioEncoding.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=rate, channel_count=1)
    return SynthesizeRequest(text=text, locale=locale, format=wanted)


def converse_request(*, text: str, locale: str, household: str, device: str, time_zone: str) -> ConverseRequest:
    """Ask for a typed turn."""
    return ConverseRequest(household_id=household, device_id=device, text=text, locale=locale, time_zone=time_zone)


def converse_document(response: ConverseResponse) -> dict[str, Any]:
    """Describe a typed turn."""
    first = response.outcomes[0] if response.outcomes else Outcome()
    hypothesis = first.hypothesis if first.HasField("hypothesis") else next(iter(response.hypotheses), Hypothesis())
    return {
        "turn_id": first.turn.turn_id,
        "kind": OutcomeKind.Name(first.kind).removeprefix("OUTCOME_KIND_").lower(),
        "intent": first.intent or hypothesis.intent,
        "slots": slots(hypothesis.slots),
        "answer": " ".join(prompt.text for outcome in response.outcomes for prompt in outcome.prompts),
        "expects_reply": bool(response.outcomes) and response.outcomes[-1].expects_reply,
        "error": first.error.code,
        "reason": {"code": first.error.code, "message": first.error.message, "stage": first.error.stage}
        if first.HasField("error")
        else None,
        "directives": [
            MessageToDict(directive, preserving_proto_field_name=True)
            for outcome in response.outcomes
            for directive in outcome.directives
        ],
    }


def slots(filled: Iterable[Slot]) -> dict[str, Any]:
    """Return slots by name: what their words mean."""
    return {slot.name: _meaning(slot) for slot in filled}


def _meaning(slot: Slot) -> Any:
    kind = slot.value.WhichOneof("value")
    if kind is None:
        return slot.text
    if kind in {"string_value", "number_value"}:
        return getattr(slot.value, kind)
    return (
        MessageToDict(getattr(slot.value, kind), preserving_proto_field_name=True)
        if kind == "date_time_value"
        else (slot.value.duration_value.ToTimedelta().total_seconds())
    )
