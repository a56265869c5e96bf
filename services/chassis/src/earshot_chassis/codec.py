"""Protobuf on the bus: a payload is always one message, and the content-type header names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from earshot_chassis.errors import MalformedPayloadError

CONTENT_TYPE = "content-type"
_PREFIX = "application/protobuf;type="

M = TypeVar("M", bound=Message)


def content_type(message_type: type[Message]) -> str:
    """Return the content type of a message, "application/protobuf;type=earshot.asr.v1.TurnTranscribed"."""
    return _PREFIX + message_type.DESCRIPTOR.full_name


def encode(message: Message) -> bytes:
    """Serialise deterministically, so that equal messages have equal bytes."""
    return message.SerializeToString(deterministic=True)


def added(message: Message) -> bytes:
    """Return what a later contract has added to a message, serialised: the fields that this one does not know.

    Who reads a message into values of its own and writes it again from them keeps this beside them, and adds it by
    `MergeFromString`. Fields of the messages within it are among it, those of repeated ones and of maps are not.
    """
    rest = type(message)()
    rest.CopyFrom(message)
    _forget_known(rest)
    return rest.SerializeToString(deterministic=True)


def _forget_known(message: Message) -> None:
    for field, value in message.ListFields():
        if field.message_type is not None and not field.is_repeated:
            _forget_known(value)
            if value.ByteSize():
                continue
        message.ClearField(field.name)


def decode(payload: bytes, headers: Mapping[str, str] | None, expected: type[M]) -> M:
    """Parse a payload.

    Raises:
        MalformedPayloadError: It names another type, or does not parse.
    """
    named = (headers or {}).get(CONTENT_TYPE)
    if named is not None and named != content_type(expected):
        raise MalformedPayloadError(
            f"expected {expected.DESCRIPTOR.full_name}, got content type {named[:120]!r}", code="unexpected_type"
        )
    try:
        return expected.FromString(payload)
    except DecodeError as error:
        raise MalformedPayloadError(f"not a {expected.DESCRIPTOR.full_name} ({len(payload)} bytes)") from error
