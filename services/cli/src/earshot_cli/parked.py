"""Parked messages: read, replayed, dropped.

A replay publishes the original payload and headers to the original subject and takes the record away when the stream has
acknowledged. It is idempotent: its message id is made from the record, so that a replay that is repeated because its answer
was lost stores nothing again, and whoever consumes it is idempotent anyway. A message that fails again is parked again and
says how often it was replayed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from earshot_chassis.codec import CONTENT_TYPE, content_type
from earshot_chassis.parking import PREFIX
from earshot_cli.errors import CliError
from earshot_cli.errors import NotFoundError as NothingFoundError
from earshot_topology.catalog import CHANNELS
from earshot_topology.subjects import InvalidTokenError, parked
from earshot_topology.tenancy import household_of

STREAM = "PARKED"
REPLAYED = "Earshot-Replayed"
# "No message found", "sequence not found".
_GONE = frozenset({10057, 10037, 10043})
# What a user said, heard or called something.
_PRIVATE = frozenset(
    {"transcript", "text", "word", "words", "label", "title", "artist", "stringValue", "prompts", "slots"}
)
_HIDDEN = "…"
_TYPES: Mapping[str, type[Message]] = {content_type(channel.message): channel.message for channel in CHANNELS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One parked message.

    Attributes:
        sequence: Its number on the stream of parked messages.
        parked_at: When it was given up, aware.
        service: Who gave it up.
        headers: Of the original message.
        payload: Of the original message.
        reasons: Why, and where it came from: Subject, Stream, Consumer, Delivery-Count, Code, Reason, Stage.
    """

    sequence: int
    parked_at: datetime
    service: str
    headers: Mapping[str, str]
    payload: bytes
    reasons: Mapping[str, str]

    @property
    def subject(self) -> str:
        """The original subject."""
        return self.reasons.get("Subject", "")

    @property
    def code(self) -> str:
        """Why it was given up."""
        return self.reasons.get("Code", "")

    @property
    def replays(self) -> int:
        """How often it was replayed before."""
        told = self.headers.get(REPLAYED, "0")
        return int(told) if told.isdecimal() else 0

    @property
    def trace_id(self) -> str:
        """The turn's trace; empty where there is none."""
        parts = self.headers.get("traceparent", "").split("-")
        return parts[1] if len(parts) == 4 else ""

    @property
    def message(self) -> Message | None:
        """The payload, where its type is known and it can be read."""
        kind = _TYPES.get(self.headers.get(CONTENT_TYPE, "")) or _by_subject(self.subject)
        try:
            return kind.FromString(self.payload) if kind is not None else None
        except DecodeError:
            return None

    @property
    def household(self) -> str:
        """Whose it is: by its subject, or by what a service wrote into it; empty where nobody can tell."""
        return household_of(self.subject, self.message)

    def content(self, *, private: bool) -> dict[str, Any] | None:
        """Return the payload as JSON; what users said only where that is wanted. None where it can't be read."""
        message = self.message
        if message is None:
            return None
        document: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
        return document if private else _without_private(document)


def _by_subject(subject: str) -> type[Message] | None:
    for channel in CHANNELS:
        pattern, parts = channel.address.split("."), subject.split(".")
        if len(pattern) == len(parts) and all(p.startswith("{") or p == s for p, s in zip(pattern, parts, strict=True)):
            return channel.message
    return None


def _without_private(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _HIDDEN if name in _PRIVATE else _without_private(inner) for name, inner in value.items()}
    return [_without_private(inner) for inner in value] if isinstance(value, list) else value


def _record(message: RawStreamMsg) -> Record:
    headers = message.headers or {}
    service = (message.subject or "").split(".")[1]
    return Record(
        sequence=message.seq or 0,
        parked_at=message.time or datetime.now(UTC),
        service=service,
        headers={
            name: value
            for name, value in headers.items()
            if not name.startswith(PREFIX) and not name.lower().startswith("nats-")
        },
        payload=message.data or b"",
        reasons={name.removeprefix(PREFIX): value for name, value in headers.items() if name.startswith(PREFIX)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records; empty: all."""

    service: str = ""
    household: str = ""
    code: str = ""
    since: datetime | None = None

    @property
    def subject(self) -> str:
        """Where they are kept."""
        try:
            return parked(self.service, self.household or "*") if self.service else f"parked.*.{self.household or '*'}"
        except InvalidTokenError:
            # No service and no household has such a name: nothing matches.
            return "parked.*.*"

    def matches(self, record: Record) -> bool:
        """Whether a record is wanted."""
        return (
            (not self.service or record.service == self.service)
            and (not self.code or record.code == self.code)
            and (self.since is None or record.parked_at >= self.since)
            and (not self.household or record.household == self.household)
        )


class ParkedMessages:
    """The stream of parked messages."""

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream

    async def all(self, wanted: Wanted) -> AsyncIterator[Record]:
        """Yield records, oldest first."""
        sequence = 1
        while True:
            try:
                message = await self._jetstream.get_msg(
                    STREAM, seq=sequence, subject=wanted.subject, next=True, direct=True
                )
            except NotFoundError:
                return
            record = _record(message)
            sequence = record.sequence + 1
            if wanted.matches(record):
                yield record

    async def one(self, sequence: int) -> Record:
        """Return a record.

        Raises:
            NothingFoundError: There is none of that number.
        """
        try:
            return _record(await self._jetstream.get_msg(STREAM, seq=sequence))
        except NotFoundError as error:
            raise NothingFoundError(f"no message {sequence} is parked: see `earshot parked list`") from error

    async def replay(self, record: Record) -> None:
        """Publish the original again; take the record away when a stream has it.

        Raises:
            CliError: The record lacks its subject.
            nats.errors.Error: Nobody acknowledged; the record stays.
        """
        if not record.subject:
            raise CliError(f"message {record.sequence} does not say where it came from", code="not_replayable")
        headers = dict(record.headers) | {
            REPLAYED: str(record.replays + 1),
            "Nats-Msg-Id": f"{STREAM}.{record.sequence}.replay",
        }
        await self._jetstream.publish(record.subject, record.payload, headers=headers)
        await self.drop(record)

    async def drop(self, record: Record) -> None:
        """Take a record away; one that is gone already is no error."""
        try:
            await self._jetstream.delete_msg(STREAM, record.sequence)
        except APIError as error:
            if error.err_code not in _GONE:
                raise


def document(record: Record, *, private: bool) -> dict[str, Any]:
    """Return a record as JSON."""
    content = record.content(private=private)
    return {
        "sequence": record.sequence,
        "parked_at": record.parked_at.isoformat(),
        "service": record.service,
        "household": record.household,
        "trace_id": record.trace_id,
        "replays": record.replays,
        "reasons": dict(record.reasons),
        "headers": dict(record.headers),
        "payload_bytes": len(record.payload),
        "payload": content if content is not None else {"hex": record.payload[:256].hex()},
    }


def pretty(record: Record, *, private: bool) -> str:
    """Return a record as people read it."""
    return json.dumps(document(record, private=private), indent=2, ensure_ascii=False)
