"""Whether a series grows: the median slope of all its pairs (Theil and Sen's), which a few odd samples do not move.

A series that counts things (descriptors, tasks, consumers, subscriptions) has to be flat: it grows if its slope is half a
thing in a thousand turns, and its last third really lies above its first. One that fluctuates with the load (memory,
messages on the bus) may rise by a share of itself, and by an amount that is noise.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

PER: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What growth in a thousand turns is too much: more than both.

    Attributes:
        amount: In the series' own unit.
        share: Of the series' median.
    """

    amount: float
    share: float


class Kind(Enum):
    """What a series counts."""

    MEMORY = Bound(amount=4.0, share=0.02)
    """MiB of a service."""
    SERVER_MEMORY = Bound(amount=24.0, share=0.05)
    """MiB of nats-server, whose garbage collector decides when; it also keeps outcomes for an hour."""
    COUNT = Bound(amount=0.5, share=0.0)
    MESSAGES = Bound(amount=1.0, share=0.25)
    """Messages that are kept for about a minute, for each turn of the last minute: how many there are follows the load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Samples of one figure.

    Attributes:
        name: Of the figure: "rss".
        of: Whose: "asr-0".
        kind: What it counts.
        turns: How many turns there had been at each sample.
        values: The samples.
    """

    name: str
    of: str
    kind: Kind
    turns: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A series after its warm-up.

    Attributes:
        series: All of it.
        level: Median.
        slope: Growth in a thousand turns.
        grows: Whether that is too much.
    """

    series: Series
    level: float
    slope: float
    grows: bool


def judge(series: Series, *, warm_up: float) -> Trend:
    """Judge a series.

    Args:
        series: Its samples.
        warm_up: The share of all turns that is left out.

    Raises:
        ValueError: Fewer than three samples are left.
    """
    begin = series.turns[-1] * warm_up
    points = [(turn, value) for turn, value in zip(series.turns, series.values, strict=True) if turn >= begin]
    if len(points) < 3:
        message = f"{len(points)} samples of {series.of} {series.name} say nothing"
        raise ValueError(message)
    values = [value for _, value in points]
    slope, level = PER * _median_slope(points), statistics.median(values)
    third = max(1, len(values) // 3)
    rise = statistics.median(values[-third:]) - statistics.median(values[:third])
    bound = series.kind.value
    grows = slope >= bound.amount and slope > bound.share * level and rise > 0
    return Trend(series=series, level=level, slope=slope, grows=grows)


def _median_slope(points: Sequence[tuple[float, float]]) -> float:
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for earlier, later in itertools.combinations(points, 2)
        if later[0] > earlier[0]
    ]
    return statistics.median(slopes) if slopes else 0.0
