"""What a process with other contracts does besides: it writes down that it has loaded them, and fills in what they add.

It stands for the code of a newer service, which knows what was added: whatever message leaves the process has the added field
filled in, unless it came with one, with the name of the process; and whatever comes in is looked through for it.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

FIELD: Final = "added_in_next"
# A description's digest is over all of it, and the same version of a skill always has the same one: what is added to
# descriptions comes with a version of its own.
_LEFT_AS_THEY_ARE: Final = {"SkillDescription"}


@cache
def _me() -> str:
    return os.environ.get("EARSHOT_INSTANCE_ID", f"pid{os.getpid()}")


@cache
def _record() -> Any:
    folder = os.environ.get("EARSHOT_BUILD_RECORD")
    if not folder:
        return None
    file = (Path(folder) / f"{_me()}.{os.getpid()}.jsonl").open("a", buffering=1)
    atexit.register(file.close)
    return file


@cache
def _write(key: str, value: str) -> None:
    """Write a line down, once."""
    if _record() is not None:
        _record().write(f"{json.dumps([key, value])}\n")


def loaded(build: str) -> None:
    """Write down that this process has loaded a build's contracts."""
    _write("loaded", f"{build} {metadata.version('earshot-contracts')}")


def mark(module: dict[str, Any]) -> None:
    """Have the messages of a generated module filled in and looked through."""
    for value in list(module.values()):
        if isinstance(value, type) and issubclass(value, Message):
            _mark_class(value)


def _mark_class(kind: Any) -> None:
    serialise, parse = kind.SerializeToString, kind.FromString

    def filled(self: Message, **options: Any) -> bytes:
        _fill(self)
        return serialise(self, **options)

    def looked_through(payload: bytes) -> Message:
        message = parse(payload)
        for where, by in marks(message):
            _write(where, by)
        return message

    kind.SerializeToString, kind.FromString = filled, staticmethod(looked_through)


def _fill(message: Message) -> None:
    if message.DESCRIPTOR.name in _LEFT_AS_THEY_ARE:
        return
    if FIELD in message.DESCRIPTOR.fields_by_name and not message.HasField(FIELD):
        getattr(message, FIELD).by = _me()
    for _, each in within(message):
        _fill(each)


def marks(message: Message, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield where a message, or one within it, was filled in: "Outcome.turn", and by whom."""
    where = where or message.DESCRIPTOR.name
    if FIELD in message.DESCRIPTOR.fields_by_name and message.HasField(FIELD):
        yield where, getattr(message, FIELD).by
    for name, each in within(message):
        yield from marks(each, f"{where}.{name}")


def within(message: Message) -> Iterator[tuple[str, Message]]:
    """Yield the messages of ours that are in a message, with the field that each is in."""
    for field, value in message.ListFields():
        described = field.message_type
        if described is None or described.GetOptions().map_entry or not described.full_name.startswith("earshot."):
            continue
        if field.name != FIELD:
            yield from ((field.name, each) for each in (value if field.is_repeated else [value]))
