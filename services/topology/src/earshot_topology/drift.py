"""How what a server holds differs from what is declared, and what would be lost by making it the same. No I/O.

A value that a declaration leaves open is compared with "none" (0, -1, false and empty are the server's words for it),
except where the server fills it in by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from nats.js.api import ConsumerConfig, StreamConfig, StreamState

from earshot_topology.declared import Declaration

_NOT_COMPARED = frozenset({"metadata", "first_seq", "opt_start_seq", "opt_start_time", "pause_until", "template_owner"})
_FILLED_IN = frozenset(
    {"duplicate_window", "compression", "persist_mode", "max_waiting", "placement", "consumer_limits"}
)
# What the server takes for what is left open.
_DEFAULTS = {"retention": "limits", "storage": "file", "discard": "old"}

# A stream can't become another one: the server refuses, so it has to be made anew.
_STREAM_IDENTITY = frozenset({"storage", "retention", "mirror", "sources", "persist_mode"})
# A consumer that is made anew begins at the stream's beginning again.
_CONSUMER_IDENTITY = frozenset({"deliver_policy", "ack_policy", "replay_policy", "deliver_subject", "mem_storage"})
_CONSUMER_PLACE = frozenset({"filter_subject", "filter_subjects"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDrift:
    """One value that differs; None stands for "none", "no limit" and "off"."""

    field: str
    declared: Any
    present: Any

    def __str__(self) -> str:
        """Tell it in one line."""
        return f"{self.field}: {_word(self.present)} on the server, {_word(self.declared)} declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How one object differs.

    Attributes:
        kind: "stream", "consumer", "bucket" or "object store".
        name: What people call it.
        stream: Its stream's name on the server.
        missing: Whether the server lacks it.
        undeclared: Whether nothing declares it.
        fields: Values that differ.
        losses: What is lost by making it as declared; empty: nothing.
        anew: Whether it has to be deleted and created.
        declaration: What it must become; None for what nothing declares.
    """

    kind: str
    name: str
    stream: str
    missing: bool = False
    undeclared: bool = False
    fields: tuple[FieldDrift, ...] = ()
    losses: tuple[str, ...] = ()
    anew: bool = False
    declaration: Declaration | None = None

    def lines(self) -> Iterator[str]:
        """Yield it as people read it."""
        if self.missing:
            yield f"{self.kind} {self.name}: missing"
        elif self.undeclared:
            yield f"{self.kind} {self.name}: not declared"
        for each in self.fields:
            yield f"{self.kind} {self.name}: {each}"
        for loss in self.losses:
            yield f"{self.kind} {self.name}: destructive: {loss}"


def compare(
    declaration: Declaration, present: StreamConfig | ConsumerConfig, state: StreamState, oldest_s: float
) -> Drift | None:
    """Return how an object that is there differs from its declaration; None where it does not.

    Args:
        declaration: What is declared.
        present: What the server holds.
        state: What its stream holds at the moment.
        oldest_s: Age of the oldest message there, in seconds.
    """
    differing = tuple(_differing(declaration.config, present))
    if not differing:
        return None
    names = {each.field for each in differing}
    if isinstance(present, ConsumerConfig):
        anew, losses = bool(names & _CONSUMER_IDENTITY), tuple(_consumer_losses(differing))
    else:
        anew, losses = bool(names & _STREAM_IDENTITY), tuple(_stream_losses(differing, state, oldest_s))
    return Drift(
        kind=declaration.kind,
        name=declaration.name,
        stream=declaration.stream,
        fields=differing,
        losses=losses,
        anew=anew,
        declaration=declaration,
    )


def _differing(declared: StreamConfig | ConsumerConfig, present: StreamConfig | ConsumerConfig) -> Iterator[FieldDrift]:
    for field in fields(declared):
        if field.name in _NOT_COMPARED:
            continue
        wanted, found = _plain(getattr(declared, field.name)), _plain(getattr(present, field.name))
        wanted = wanted or _DEFAULTS.get(field.name)
        if field.name == "num_replicas":
            # A consumer with 0 replicas has those of its stream; 1 is written as nothing at all.
            wanted, found = wanted or 1, found or 1
        if wanted != found and not (wanted is None and field.name in _FILLED_IN):
            yield FieldDrift(field=field.name, declared=wanted, present=found)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if is_dataclass(value) and not isinstance(value, type):
        value = {name: inner for name, inner in asdict(value).items() if _plain(inner) is not None}
    if isinstance(value, tuple | list):
        value = sorted(value)
    return None if value in (None, 0, -1, False, "", [], {}) else value


def _stream_losses(differing: tuple[FieldDrift, ...], state: StreamState, oldest_s: float) -> Iterator[str]:
    for each in differing:
        if each.field in _STREAM_IDENTITY:
            yield f"{each.field} can't be changed: the stream is deleted with its {state.messages} messages and made anew"
        elif each.field == "subjects":
            gone = sorted(set(each.present or ()) - set(each.declared or ()))
            if gone:
                yield f"nothing stores {', '.join(gone)} any more"
        elif each.field == "num_replicas" and each.declared < each.present:
            yield f"{each.present - each.declared} copies are given up"
        elif (lost := _limit_loss(each, state, oldest_s)) is not None:
            yield lost


def _limit_loss(each: FieldDrift, state: StreamState, oldest_s: float) -> str | None:
    """Tell what a smaller limit deletes; a limit that everything fits into deletes nothing."""
    limit = each.declared
    if limit is None or not state.messages:
        return None
    if each.field == "max_bytes" and state.bytes > limit:
        return f"the oldest of {state.bytes} bytes are deleted"
    if each.field == "max_msgs" and state.messages > limit:
        return f"the oldest {state.messages - limit} messages are deleted"
    if each.field == "max_msgs_per_subject" and (each.present is None or each.present > limit):
        return f"all but the last {limit} messages of each subject are deleted"
    if each.field == "max_age" and oldest_s > limit:
        return f"messages older than {limit:g} s are deleted; the oldest is {oldest_s:.0f} s old"
    return None


def _consumer_losses(differing: tuple[FieldDrift, ...]) -> Iterator[str]:
    for each in differing:
        if each.field in _CONSUMER_IDENTITY:
            yield f"{each.field} can't be changed: the consumer is made anew and begins where its stream begins"
        elif each.field in _CONSUMER_PLACE:
            yield "it passes over messages that it was to have, or has others again"


def _word(value: Any) -> str:
    return "nothing" if value is None else str(value)
