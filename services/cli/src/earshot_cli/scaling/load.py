"""Load: when people begin to speak. Drawn from a rate that changes with time, or read from a recording."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from earshot_cli.errors import BadArgumentError

DAY_S = 86_400.0
Rate = Callable[[float], float]


def burst(*, base: float, factor: float, begins_s: float, within_s: float, lasts_s: float) -> Rate:
    """Return a rate that grows to a multiple of itself within a time, stays there, and falls as fast."""

    def rate(at: float) -> float:
        since = at - begins_s
        if since < 0:
            return base
        up = min(1.0, since / within_s)
        down = min(1.0, max(0.0, since - within_s - lasts_s) / within_s)
        return base * (1 + (factor - 1) * (up - down))

    return rate


def diurnal(*, mean: float, peak: float = 2.4) -> Rate:
    """Return the rate of a day that begins at midnight: a quiet night, a sharp morning, a broad evening.

    Args:
        mean: Turns a second, on average.
        peak: The busiest moment over the mean.
    """
    humps = ((7.5, 1.0, 0.8), (12.5, 2.0, 0.45), (18.5, 2.6, 1.0))

    def shape(hour: float) -> float:
        return 0.08 + sum(height * math.exp(-(((hour - at) / width) ** 2)) for at, width, height in humps)

    steps = [shape(step / 4) for step in range(96)]
    average, highest = sum(steps) / len(steps), max(steps)
    # What lies above the mean is stretched until the peak is as high as it is to be; the night stays a night.
    power = math.log(peak) / math.log(highest / average)
    raised = [(step / average) ** power for step in steps]
    scale = mean / (sum(raised) / len(raised))

    def rate(at: float) -> float:
        return float(scale * (shape(at % DAY_S / 3600) / average) ** power)

    return rate


def arrivals(rate: Rate, seconds: float, *, highest: float, seed: int) -> list[float]:
    """Draw when people begin to speak: a Poisson process with a changing rate, by thinning.

    Args:
        rate: Turns a second at a time.
        seconds: How long.
        highest: No rate is above it.
        seed: The same seed draws the same.
    """
    drawn = random.Random(seed)  # noqa: S311 - reproducible, not secret
    found, at = [], 0.0
    while (at := at + drawn.expovariate(highest)) < seconds:
        if drawn.random() * highest < rate(at):
            found.append(at)
    return found


def recorded(path: Path) -> list[float]:
    """Read a recording: when utterances began, seconds, one a line.

    Raises:
        BadArgumentError: A line is no number, or there is none (code `bad_recording`).
    """
    try:
        times = sorted(float(line) for line in path.read_text().split())
    except ValueError as error:
        raise BadArgumentError(f"{path}: {error}", code="bad_recording") from error
    if not times:
        raise BadArgumentError(f"{path}: nobody speaks in it", code="bad_recording")
    return [at - times[0] for at in times]


def copied(times: Sequence[float], copies: int, *, within_s: float, seed: int) -> list[float]:
    """Return a load as if as many fleets had lived through it side by side, each utterance up to some seconds off.

    Args:
        times: When utterances began, in order.
        copies: How many fleets; the first one's times stay.
        within_s: How far one that is copied lies from its original at most.
        seed: The same seed copies the same.
    """
    drawn = random.Random(seed)  # noqa: S311 - reproducible, not secret
    others = (max(0.0, at + drawn.uniform(-within_s, within_s)) for _ in range(copies - 1) for at in times)
    return sorted((*times, *others))
