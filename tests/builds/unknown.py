"""What a message has that today's contracts do not know, by whom it was filled in."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from builds.contracts import ADDED_NUMBER
from builds.marking import within


def added_by(message: Message) -> str:
    """Return which process filled in what the next contracts add to a message; empty: none."""
    return next(
        # A message whose first field is a string shorter than 128 bytes.
        (field.data[2:].decode() for field in UnknownFieldSet(message) if field.field_number == ADDED_NUMBER),
        "",
    )


def all_added(message: Message, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield the same for a message and those within it: "Outcome.turn" and the process."""
    where = where or message.DESCRIPTOR.name
    if by := added_by(message):
        yield where, by
    for name, each in within(message):
        yield from all_added(each, f"{where}.{name}")
