"""The judge of endurance: a planted leak of each kind is noticed, noise is not."""

from __future__ import annotations

import random

import pytest

from endurance.judging import Kind, Series, judge

TURNS = [40.0 * number for number in range(1, 51)]
LEVELS = {Kind.MEMORY: 90.0, Kind.SERVER_MEMORY: 200.0, Kind.COUNT: 40.0, Kind.MESSAGES: 1.7}
# In a thousand turns.
LEAKS = {Kind.MEMORY: 6.0, Kind.SERVER_MEMORY: 40.0, Kind.COUNT: 2.0, Kind.MESSAGES: 2.0}
NOISE = {Kind.MEMORY: 3.0, Kind.SERVER_MEMORY: 20.0, Kind.COUNT: 2.0, Kind.MESSAGES: 0.5}


def series(kind: Kind, leak: float, noise: float, seed: int = 1) -> Series:
    """Return samples that grow by a leak in a thousand turns, below noise; counts are whole numbers."""
    chance = random.Random(seed)
    values = [LEVELS[kind] + leak * turn / 1000 + chance.uniform(-noise, noise) for turn in TURNS]
    whole = [float(int(value)) for value in values] if kind is Kind.COUNT else values
    return Series(name="figure", of="asr-0", kind=kind, turns=TURNS, values=whole)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_leak_is_noticed(kind: Kind, noise: float) -> None:
    """A series that grows steadily by more than its bound fails, below noise as well."""
    trend = judge(series(kind, LEAKS[kind], NOISE[kind] * noise), warm_up=0.3)
    assert trend.grows
    assert trend.slope == pytest.approx(LEAKS[kind], rel=0.5)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("seed", range(20))
def test_noise_is_not_taken_for_a_leak(kind: Kind, seed: int) -> None:
    """A flat series passes, however it jitters, with an outlier or two."""
    flat = series(kind, 0.0, NOISE[kind] / 2 if kind is Kind.COUNT else NOISE[kind], seed)
    values = list(flat.values)
    values[random.Random(seed).randrange(len(values))] *= 3
    values[-1] *= 2
    jittering = Series(name=flat.name, of=flat.of, kind=kind, turns=flat.turns, values=values)
    assert not judge(jittering, warm_up=0.3).grows


def test_growth_while_warming_up_is_forgiven() -> None:
    """Caches fill: what happens in the first part of a run is left out, and only that."""
    values = [min(turn, 1400.0) / 10 for turn in TURNS]
    filling = Series(name="rss", of="tts-0", kind=Kind.MEMORY, turns=TURNS, values=values)
    assert not judge(filling, warm_up=0.75).grows
    assert judge(filling, warm_up=0.0).grows


def test_a_thing_left_behind_in_five_hundred_turns_is_noticed() -> None:
    """A count that goes up by one now and then grows, though its steps are smaller than jitter would be."""
    values = [40.0 + turn // 500 for turn in TURNS]
    assert judge(Series(name="fds", of="asr-0", kind=Kind.COUNT, turns=TURNS, values=values), warm_up=0.3).grows


def test_too_few_samples_are_no_verdict() -> None:
    """Two samples are refused: a line goes through any two points."""
    short = Series(name="rss", of="asr-0", kind=Kind.MEMORY, turns=[1.0, 2.0], values=[1.0, 2.0])
    with pytest.raises(ValueError, match="2 samples"):
        judge(short, warm_up=0.0)
