"""What a stack tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class State(StrEnum):
    """Where a process is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    CRASHED = "crashed"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A process came into a state.

    Attributes:
        process: Its name; empty when the stack itself speaks.
        state: The new one; None for a message without a change.
        text: One line for people.
        log_tail: The last log lines of its latest start, when it could not start or keeps crashing.
        log: Where all of them are, then.
        repeated: Whether it ended with the same last line as the time before.
    """

    process: str
    state: State | None
    text: str
    log_tail: tuple[str, ...] = ()
    log: Path | None = None
    repeated: bool = False


Listener = Callable[[Event], None]


def nobody(_event: Event) -> None:
    """Listen to nothing."""
