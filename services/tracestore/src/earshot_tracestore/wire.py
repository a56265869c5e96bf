"""OTLP and Earshot's own messages, to what the store keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from earshot.device.v1.upstream_pb2 import DeviceEvent, UtteranceStarted
from earshot.dialogue.v1.outcome_pb2 import Outcome, OutcomeKind
from earshot_chassis.attempts import TRACE_STATE
from earshot_chassis.codec import decode
from earshot_topology import attributes
from earshot_topology.subjects import DeviceAddress, locale_and_lane, token, turn_of
from earshot_tracestore.model import KINDS, STATUSES, Batch, Span, TurnFact

# What dialogue says then, by its prompt's key.
_NOT_UNDERSTOOD_KEY = "assistant.not_understood"
_TRACE_ID_BYTES = 16
_SPAN_ID_BYTES = 8
_OUTCOMES = {
    OutcomeKind.OUTCOME_KIND_ANSWERED: "answered",
    OutcomeKind.OUTCOME_KIND_APOLOGISED: "apologised",
    OutcomeKind.OUTCOME_KIND_CANCELLED: "cancelled",
    OutcomeKind.OUTCOME_KIND_REJECTED: "rejected",
}


def batch_of(request: ExportTraceServiceRequest) -> Batch:
    """Read an export request. A span without valid ids is counted as rejected; the others are kept."""
    spans: list[Span] = []
    rejected = 0
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for wire in scope_spans.spans:
                if _valid(wire.trace_id, _TRACE_ID_BYTES) and _valid(wire.span_id, _SPAN_ID_BYTES):
                    spans.append(_span(wire, resource))
                else:
                    rejected += 1
    return Batch(spans=spans, facts=[fact for fact in map(_fact_of_span, spans) if fact], rejected=rejected)


def started(payload: bytes, headers: Mapping[str, str], subject: str, now_ns: int) -> TurnFact:
    """Read an UtteranceStarted.

    Raises:
        MalformedPayloadError: The payload is not one.
        InvalidTokenError: The subject or the turn's id is not ours.
    """
    message = decode(payload, headers, UtteranceStarted)
    address = DeviceAddress.of(subject)
    return TurnFact(
        turn_id=token(message.turn_id),
        household_id=address.household,
        device_id=address.device,
        trace_id=_trace_of(headers),
        locale=locale_and_lane(subject)[0],
        started_ns=now_ns,
    )


def outcome(payload: bytes, headers: Mapping[str, str], subject: str, now_ns: int) -> TurnFact:
    """Read an Outcome.

    Raises:
        MalformedPayloadError: The payload is not one.
        InvalidTokenError: The subject is not an outcome's.
    """
    message = decode(payload, headers, Outcome)
    address = DeviceAddress.of(subject)
    return TurnFact(
        turn_id=turn_of(subject),
        household_id=address.household,
        device_id=address.device,
        trace_id=_trace_of(headers),
        locale=message.turn.locale,
        started_ns=_nanoseconds(message.turn.start_time) if message.turn.HasField("start_time") else None,
        outcome=_OUTCOMES.get(message.kind, ""),
        decided_ns=now_ns,
        intent=message.intent,
        error_code=message.error.code or _not_understood(message),
        end_of_speech_ns=_end_of_speech_ns(message),
    )


def device_event(payload: bytes, headers: Mapping[str, str], subject: str, now_ns: int) -> TurnFact | None:
    """Read a DeviceEvent; None where it tells nothing of a turn.

    Raises:
        MalformedPayloadError: The payload is not one.
        InvalidTokenError: The subject or the turn's id is not ours.
    """
    message = decode(payload, headers, DeviceEvent)
    address = DeviceAddress.of(subject)
    if not message.turn_id:
        return None
    known: dict[str, Any] = {
        "turn_id": token(message.turn_id),
        "household_id": address.household,
        "device_id": address.device,
    }
    match message.WhichOneof("event"):
        case "playback_started":
            return TurnFact(**known, first_audio_ns=now_ns)
        case "playback_finished" | "playback_interrupted":
            return TurnFact(**known, finished_ns=now_ns)
        case "turn_abandoned":
            return TurnFact(**known, abandoned=message.turn_abandoned.reason or "unknown", finished_ns=now_ns)
        case _:
            return None


def _valid(identifier: bytes, length: int) -> bool:
    return len(identifier) == length and any(identifier)


def _span(wire: WireSpan, resource: Mapping[str, Any]) -> Span:
    kind, status = int(wire.kind), int(wire.status.code)
    drawn = any(pair.key == attributes.RECONSTRUCTED for pair in wire.attributes)
    return Span(
        trace_id=wire.trace_id.hex(),
        span_id=wire.span_id.hex(),
        parent_span_id=wire.parent_span_id.hex(),
        name=wire.name,
        kind=KINDS[kind] if kind < len(KINDS) else KINDS[0],
        service=str(resource.get("service.name", "")),
        # A span that another process drew is not that process's.
        instance="" if drawn else str(resource.get("service.instance.id", "")),
        start_ns=wire.start_time_unix_nano,
        end_ns=wire.end_time_unix_nano,
        status=STATUSES[status] if status < len(STATUSES) else STATUSES[0],
        status_message=wire.status.message,
        attributes=_attributes(wire.attributes) | _attempt(wire.trace_state),
        events=[
            {"name": event.name, "time_ns": event.time_unix_nano, "attributes": _attributes(event.attributes)}
            for event in wire.events
        ],
        links=[{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in wire.links],
    )


def _attempt(trace_state: str) -> dict[str, str]:
    """Return which attempt a span belongs to, and which one caused that, by the entry of ours in its trace state."""
    for entry in trace_state.split(","):
        key, _, value = entry.strip().partition("=")
        if key == TRACE_STATE:
            return {attributes.ATTEMPT: value}
    return {}


def _fact_of_span(span: Span) -> TurnFact | None:
    """Learn of turns from their root spans too: a turn whose messages were never heard still shows."""
    names = (attributes.TURN_ID, attributes.HOUSEHOLD_ID, attributes.DEVICE_ID)
    turn, household, device = (span.attributes.get(name) for name in names)
    if span.parent_span_id or not (isinstance(turn, str) and isinstance(household, str) and isinstance(device, str)):
        return None
    first_audio_s = span.attributes.get(attributes.TIME_TO_FIRST_AUDIO)
    return TurnFact(
        turn_id=turn,
        household_id=household,
        device_id=device,
        trace_id=span.trace_id,
        started_ns=span.start_ns,
        first_audio_s=first_audio_s if isinstance(first_audio_s, float) else None,
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return MessageToDict(value)["bytesValue"]
        case kind:
            return getattr(value, kind)


def _trace_of(headers: Mapping[str, str]) -> str:
    """Return the trace id of a W3C traceparent header; empty where there is none."""
    parts = headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""


def _not_understood(message: Outcome) -> str:
    """Return the code of an answer that says that there is none: to dialogue it is an answer, to whoever asks why it is not."""
    return "not_understood" if any(prompt.key == _NOT_UNDERSTOOD_KEY for prompt in message.prompts) else ""


def _end_of_speech_ns(message: Outcome) -> int | None:
    """Return when the user had said it; None of a turn that was typed, or refused before its end was heard."""
    turn = message.turn
    if not turn.HasField("start_time") or not turn.end_of_speech_offset.ToNanoseconds():
        return None
    return _nanoseconds(turn.start_time) + turn.end_of_speech_offset.ToNanoseconds()


def _nanoseconds(moment: Timestamp) -> int:
    return moment.seconds * 1_000_000_000 + moment.nanos
