"""Learns what evidence is worth by logistic regression, and says what limits would do. Knows no audio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.results import table
from earshot_asr.engines.pocketsphinx.evidence import OFFSET, Evidence, confidence

LIMITS = tuple(step / 20 for step in range(1, 20))
_RIDGE = 1e-3
_STEPS = 20_000
_RATE = 0.5
_FOLDS = 5
_FOR_US = frozenset({"synth", "clean", "noise"})
_MOST_FALSE = 0.05
_MOST_LOST = 0.01

Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One utterance and what was made of it.

    Attributes:
        kind: Which set.
        group: Whose it is, or which sentence: rows of a group are learned from together or not at all.
        said: The best reading.
        right: Whether that was said to us.
        evidence: For it, by name; empty: nothing was heard.
    """

    kind: str
    group: str
    said: str
    right: bool
    evidence: Mapping[str, float]

    @property
    def is_for_us(self) -> bool:
        """Whether it was meant for the skills that were registered."""
        return self.kind in _FOR_US


def fit(rows: Sequence[Row]) -> dict[str, float]:
    """Return the weights of the evidence, at least 0, and the offset; what is for us and what is not weigh the same."""
    heard = [row for row in rows if row.evidence]
    names = list(heard[0].evidence)
    values: NDArray[np.float64] = np.array([[row.evidence[name] for name in names] for row in heard])
    right = np.array([row.right for row in heard], dtype=float)
    for_us = np.array([row.is_for_us for row in heard])
    share = np.where(for_us, 1 / max(1, for_us.sum()), 1 / max(1, (~for_us).sum())) / 2
    middle, spread = values.mean(axis=0), values.std(axis=0)
    # What is always the same says nothing.
    spread = np.where(spread > 0, spread, np.inf)
    scaled = (values - middle) / spread
    weights, offset = np.zeros(len(names)), 0.0
    for _ in range(_STEPS):
        wrong_by = share * (1 / (1 + np.exp(-(scaled @ weights + offset))) - right)
        weights = np.maximum(0.0, weights - _RATE * (scaled.T @ wrong_by + _RIDGE * weights))
        offset -= _RATE * wrong_by.sum()
    real = weights / spread
    return {
        **{name: round(float(weight), 3) for name, weight in zip(names, real, strict=True)},
        OFFSET: round(float(offset - real @ middle), 3),
    }


def sureness(rows: Sequence[Row], weights: Weights) -> list[float]:
    """Return how sure each row is; one of which nothing was heard not at all."""
    return [confidence(Evidence(**row.evidence), weights) if row.evidence else 0.0 for row in rows]


def cross_validated(
    rows: Sequence[Row], learn: Callable[[Sequence[Row]], Weights] = fit, *, seed: int = 1
) -> list[float]:
    """Return how sure each row is by weights that were learned without its group."""
    groups = list(dict.fromkeys(row.group for row in rows))
    folds = dict(zip(groups, np.random.default_rng(seed).permutation(len(groups)) % _FOLDS, strict=True))
    sure = [0.0] * len(rows)
    for part in range(_FOLDS):
        weights = learn([row for row in rows if folds[row.group] != part])
        held = [place for place, row in enumerate(rows) if folds[row.group] == part]
        for place, value in zip(held, sureness([rows[place] for place in held], weights), strict=True):
            sure[place] = value
    return sure


def loss(rows: Sequence[Row], sure: Sequence[float]) -> float:
    """Return the mean logarithm of how improbable the truth was; what is for us and what is not weigh the same."""
    by_side: dict[bool, list[float]] = {True: [], False: []}
    for row, value in zip(rows, sure, strict=True):
        if row.evidence:
            by_side[row.is_for_us].append(-float(np.log(max(value if row.right else 1 - value, 1e-12))))
    return float(np.mean([np.mean(side) for side in by_side.values() if side]))


def falsely(rows: Sequence[Row], sure: Sequence[float], limit: float) -> float:
    """Return the share of what was not for us that passes a limit."""
    return float(np.mean([value >= limit for row, value in zip(rows, sure, strict=True) if not row.is_for_us] or [0]))


def kept(rows: Sequence[Row], sure: Sequence[float], limit: float) -> float:
    """Return the share of right readings that pass a limit."""
    return float(np.mean([value >= limit for row, value in zip(rows, sure, strict=True) if row.right] or [0]))


def choose(rows: Sequence[Row], sure: Sequence[float]) -> float:
    """Return the limit: the lowest that at most 5 % of what was not for us passes, or a higher one that costs next to nothing.

    The world has more that is for nobody than the recordings. As long as at most one right reading in a hundred more is refused, a
    higher limit is the better one.
    """
    lowest = next((limit for limit in LIMITS if falsely(rows, sure, limit) <= _MOST_FALSE), LIMITS[-1])
    least = kept(rows, sure, lowest) - _MOST_LOST
    return max(limit for limit in LIMITS if limit >= lowest and kept(rows, sure, limit) >= least)


def limits(rows: Sequence[Row], sure: Sequence[float]) -> str:
    """Return a table of what every limit does: what passes that is not for us, and how much of each set that is right."""
    kinds = list(dict.fromkeys(row.kind for row in rows))
    lines: list[tuple[object, ...]] = []
    for limit in LIMITS:
        by_kind = {kind: _passing(rows, sure, kind, limit) for kind in kinds}
        lines.append((limit, f"{falsely(rows, sure, limit):.3f}", f"{kept(rows, sure, limit):.3f}", *by_kind.values()))
    return table(("limit", "false", "kept", *kinds), lines)


def _passing(rows: Sequence[Row], sure: Sequence[float], kind: str, limit: float) -> str:
    """Return how many pass: of what is for us right ones, wrong ones after a plus sign."""
    passing = [row for row, value in zip(rows, sure, strict=True) if row.kind == kind and value >= limit]
    everything = sum(row.kind == kind for row in rows)
    if kind not in _FOR_US:
        return f"{len(passing)}/{everything}"
    right = sum(row.right for row in passing)
    return f"{right}+{len(passing) - right}/{everything}"


def reliability(rows: Sequence[Row], sure: Sequence[float]) -> str:
    """Return a table of how far the confidence can be believed."""
    lines: list[tuple[object, ...]] = []
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = [
            (row.right, value)
            for row, value in zip(rows, sure, strict=True)
            if row.evidence and low <= value < low + 0.2 + (low == 0.8)
        ]
        if inside:
            right, said = (np.mean(column) for column in zip(*inside, strict=True))
            lines.append((f"{low:.1f}-{low + 0.2:.1f}", len(inside), f"{said:.2f}", f"{right:.2f}"))
    return table(("confidence", "readings", "mean", "right"), lines)
