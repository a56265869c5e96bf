"""What counts as right, and how sure a share of so few is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

_Z = 1.959964  # 95 %
_MARKS = re.compile(r"[^\w'\s]+")


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with Wilson's 95 % interval."""

    hits: int
    trials: int

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Self:
        """Count outcomes."""
        counted = list(outcomes)
        return cls(sum(counted), len(counted))

    @property
    def value(self) -> float | None:
        """The share; None of none."""
        return self.hits / self.trials if self.trials else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval; everything is possible of none."""
        if not self.trials:
            return 0.0, 1.0
        share, squared = self.hits / self.trials, _Z * _Z
        centre = (share + squared / (2 * self.trials)) / (1 + squared / self.trials)
        half = _Z * math.sqrt(share * (1 - share) / self.trials + squared / (4 * self.trials**2))
        half /= 1 + squared / self.trials
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        low, high = self.interval
        return f"{self.value:.3f} ({low:.3f}-{high:.3f}) of {self.trials}"


def same_words(heard: str, said: str) -> bool:
    """Whether two texts have the same words, however they are written: spaces count for nothing in Mandarin."""
    return _plain(heard) == _plain(said)


def _plain(text: str) -> str:
    words = _MARKS.sub(" ", text.lower().replace("’", "'")).split()
    return ("" if any(ord(character) > 0x2E80 for character in text) else " ").join(words)


def same_meaning(
    intent: str, slots: Mapping[str, object], wanted_intent: str, wanted_slots: Mapping[str, object]
) -> bool:
    """Whether a command is right: its intent and every slot, and no slot more; case and outer spaces do not count."""
    return intent == wanted_intent and _plain_slots(slots) == _plain_slots(wanted_slots)


def _plain_slots(slots: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value).strip().lower() for name, value in slots.items()}
