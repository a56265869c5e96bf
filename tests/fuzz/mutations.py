"""Ways to spoil a message. Seeded: one generator makes the same messages again.

What a spoiled message is good for is not guessed: `readable` asks the codec that the services use. Many a flipped bit
makes another message that can be read, and that is to be handled like any other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from earshot_chassis.codec import CONTENT_TYPE, content_type, decode
from earshot_chassis.errors import MalformedPayloadError
from support.contracts import saturated

STREAM_LIMIT = 64 * 1024
_OVERSIZED = STREAM_LIMIT + 1024
_EXTREMES = (-(2**31), -1, 0, 2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """A message that is not as it should be.

    Attributes:
        mutation: What was done to it.
        payload: Its bytes.
        headers: Its headers.
    """

    mutation: str
    payload: bytes
    headers: dict[str, str]

    def readable(self, message_type: type[Message]) -> bool:
        """Whether a service that expects this type can read it."""
        try:
            decode(self.payload, self.headers, message_type)
        except MalformedPayloadError:
            return False
        return True


class Spoiler:
    """Makes spoiled messages of given types.

    Args:
        rng: Where chance comes from.
        types: Message types to take wrong ones from.
    """

    def __init__(self, rng: random.Random, types: Sequence[type[Message]]) -> None:
        self._rng = rng
        self._types = tuple(types)
        self._samples = {kind: saturated(kind).SerializeToString() for kind in types}
        self._ways: tuple[Callable[[bytes, type[Message]], Spoiled], ...] = (
            self._noise, self._noise, self._truncated, self._truncated, self._flipped, self._flipped, self._spliced,
            self._empty, self._wrong_type, self._wrong_type_unnamed, self._wrong_version, self._strange_header,
            self._extreme, self._endless_varint, self._nested,
        )  # fmt: skip

    def spoil(self, message: Message) -> Spoiled:
        """Return a spoiled form of a message that is right."""
        way = self._rng.choice(self._ways)
        return way(message.SerializeToString(), type(message))

    def unreadable(self, message: Message) -> Spoiled:
        """Return a form that no service can read."""
        while True:
            spoiled = self.spoil(message)
            if not spoiled.readable(type(message)):
                return spoiled

    def oversized(self, message: Message) -> Spoiled:
        """Return a form larger than a stream takes: the message and a field that nobody knows, to the brim."""
        padding = self._rng.randbytes(_OVERSIZED)
        unknown = _tag(4000, 2) + _varint(len(padding)) + padding
        return Spoiled(
            mutation="oversized", payload=message.SerializeToString() + unknown, headers=_named(type(message))
        )

    def _noise(self, _good: bytes, kind: type[Message]) -> Spoiled:
        payload = self._rng.randbytes(self._rng.choice((1, 3, 17, 200, 4_000)))
        return Spoiled(mutation="noise", payload=payload, headers=_named(kind))

    def _truncated(self, good: bytes, kind: type[Message]) -> Spoiled:
        cut = self._rng.randrange(max(1, len(good)))
        return Spoiled(mutation="truncated", payload=good[:cut], headers=_named(kind))

    def _flipped(self, good: bytes, kind: type[Message]) -> Spoiled:
        changed = bytearray(good)
        for _ in range(self._rng.randint(1, 8) if changed else 0):
            changed[self._rng.randrange(len(changed))] ^= 1 << self._rng.randrange(8)
        return Spoiled(mutation="flipped bits", payload=bytes(changed), headers=_named(kind))

    def _spliced(self, good: bytes, kind: type[Message]) -> Spoiled:
        other = self._samples[self._rng.choice(self._types)]
        payload = good[: self._rng.randrange(len(good) + 1)] + other[self._rng.randrange(len(other) + 1) :]
        return Spoiled(mutation="spliced", payload=payload, headers=_named(kind))

    def _empty(self, _good: bytes, kind: type[Message]) -> Spoiled:
        return Spoiled(mutation="empty", payload=b"", headers=self._rng.choice((_named(kind), {})))

    def _wrong_type(self, _good: bytes, kind: type[Message]) -> Spoiled:
        other = self._other(kind)
        return Spoiled(mutation="wrong type", payload=self._samples[other], headers=_named(other))

    def _wrong_type_unnamed(self, _good: bytes, kind: type[Message]) -> Spoiled:
        return Spoiled(mutation="wrong type, not said", payload=self._samples[self._other(kind)], headers={})

    def _wrong_version(self, good: bytes, kind: type[Message]) -> Spoiled:
        newer = content_type(kind).replace(".v1.", ".v2.")
        return Spoiled(mutation="wrong version", payload=good, headers={CONTENT_TYPE: newer})

    def _strange_header(self, good: bytes, _kind: type[Message]) -> Spoiled:
        strange = self._rng.choice(("", "application/json", "application/protobuf;type=", "x" * 4_000, "声音"))
        headers = {CONTENT_TYPE: strange, "traceparent": "00-zz-not-a-trace-01", "Nats-Msg-Id": "y" * 300}
        return Spoiled(mutation="strange headers", payload=good, headers=headers)

    def _extreme(self, good: bytes, kind: type[Message]) -> Spoiled:
        message = kind.FromString(good)
        self._set_extremes(message)
        return Spoiled(mutation="extreme values", payload=message.SerializeToString(), headers=_named(kind))

    def _endless_varint(self, good: bytes, kind: type[Message]) -> Spoiled:
        return Spoiled(mutation="endless varint", payload=good + b"\xff" * 11, headers=_named(kind))

    def _nested(self, _good: bytes, kind: type[Message]) -> Spoiled:
        payload = b""
        for _ in range(150):
            payload = _tag(1, 2) + _varint(len(payload)) + payload
        return Spoiled(mutation="nested too deep", payload=payload, headers=_named(kind))

    def _other(self, kind: type[Message]) -> type[Message]:
        return self._rng.choice([each for each in self._types if each is not kind])

    def _set_extremes(self, message: Message) -> None:
        for field in message.DESCRIPTOR.fields:
            if field.is_repeated:
                continue
            if field.message_type is not None:
                if message.HasField(field.name):
                    self._set_extremes(getattr(message, field.name))
            elif self._rng.random() < 0.4:
                _set_extreme(message, field, self._rng)


def _set_extreme(message: Message, field: FieldDescriptor, rng: random.Random) -> None:
    if field.enum_type is not None:
        setattr(message, field.name, rng.choice((0, 99, 2**31 - 1)))
        return
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            setattr(message, field.name, rng.randbytes(rng.choice((0, 1, 3_001))))
        case FieldDescriptor.CPPTYPE_STRING:
            strange = ("", "..", "*", ">", "a.b", "x" * 3_000, "\x00", "💥" * 50, "'; DROP TABLE", "../../etc")
            setattr(message, field.name, rng.choice(strange))
        case FieldDescriptor.CPPTYPE_BOOL:
            setattr(message, field.name, not getattr(message, field.name))
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            setattr(message, field.name, rng.choice((float("nan"), float("inf"), -1.0, 1e30)))
        case FieldDescriptor.CPPTYPE_UINT32:
            setattr(message, field.name, rng.choice((0, 1, 2**32 - 1)))
        case FieldDescriptor.CPPTYPE_UINT64:
            setattr(message, field.name, rng.choice((0, 1, 2**64 - 1)))
        case FieldDescriptor.CPPTYPE_INT32:
            setattr(message, field.name, rng.choice(_EXTREMES))
        case _:
            setattr(message, field.name, rng.choice((*_EXTREMES, -(2**63), 2**63 - 1)))


def _named(kind: type[Message]) -> dict[str, str]:
    return {CONTENT_TYPE: content_type(kind)}


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
