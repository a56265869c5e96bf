"""What a model learns from: plain sentences with their intent and slots, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Filled:
    """A stretch of an example that fills a slot."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One sentence.

    Attributes:
        text: Normalised.
        intent: Its intent; empty for speech that is not for us.
        slots: In order, none inside another.
        shape: Sentences of one shape are held out together, so that what is measured is how well others are
            understood; empty: a shape of its own.
    """

    text: str
    intent: str
    slots: tuple[Filled, ...] = ()
    shape: str = ""


def fingerprint(examples: Iterable[Example], *parts: str) -> str:
    """Return what tells one training from another: the same examples and parts give the same, in any order."""
    lines = sorted(
        repr((one.text, one.intent, one.shape, [(s.name, s.start, s.end) for s in one.slots])) for one in examples
    )
    digest = sha256()
    for line in (*parts, *lines):
        digest.update(line.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]
