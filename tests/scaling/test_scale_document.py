"""What docs/scale.md says of a fleet is what the command works out of the figures that are kept here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from earshot_cli.capacity import deployed
from earshot_cli.capacity.assumptions import Assumptions
from earshot_cli.capacity.figures import read
from earshot_cli.capacity.model import Capacity, Fleet, breaks_first, capacity

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "scale.md").read_text()
FIGURES = read(Path(__file__).with_name("figures.json"))
DEPLOYED = deployed.read(ROOT / "deploy" / "base")
FLEET = Fleet(devices=17_300_000, turns_per_day=12, peak=4)
# As it is rounded there.
CLOSE = 0.03


@pytest.fixture(scope="module")
def result() -> Capacity:
    """Return what the fleet of the document needs."""
    return capacity(FLEET, FIGURES, Assumptions(), DEPLOYED)


def number(text: str) -> float:
    """Read a number as people write it."""
    return float(text.replace(",", ""))


def said(pattern: str) -> tuple[float, ...]:
    """Return the numbers of one sentence.

    Raises:
        AssertionError: The document no longer says so.
    """
    found = re.search(pattern, re.sub(r"\s+", " ", TEXT))
    assert found, pattern
    return tuple(number(group) for group in found.groups())


def test_pods_are_those_of_the_command(result):
    """Each row of the table: cores, pods, by what, how many are allowed and always stand ready; there is one of each service."""
    needs = {need.service: need for need in result.services}
    rows = re.findall(
        r"^\| ([a-z-]+)(?:, [a-z ]+)? \| ([\d,]+) \| ([\d,]+) \| (.+) \| ([\d,]+) \| ([\d,]+) \|$", TEXT, re.MULTILINE
    )
    for service, cores, peak, by, allowed, standing in rows:
        need = needs[service]
        for shown, worked_out in (
            (cores, need.cores),
            (peak, need.peak),
            (allowed, need.allowed),
            (standing, need.standing),
        ):
            assert number(shown) == pytest.approx(worked_out, rel=CLOSE), service
        assert by == need.decided_by
    missing = needs.keys() - {row[0] for row in rows}
    assert {(needs[name].peak, needs[name].decided_by) for name in missing} == {
        (needs["skill-clock"].peak, needs["skill-clock"].decided_by)
    }
    assert all(name.startswith("skill-") for name in missing)


def test_sentences_about_the_fleet_are_true(result):
    """Turns, cores, cells, and how many recognisers have to stand ready."""
    mean, peak = said(r"are ([\d,]+) turns a second on average and ([\d,]+) at the busiest moment")
    assert (mean, peak) == pytest.approx((FLEET.mean_turns_per_s, FLEET.peak_turns_per_s), rel=CLOSE)
    asr = next(need for need in result.services if need.service == "asr")
    cost, cores, all_cores = said(r"decides: ([\d.]+) s of CPU for a second of speech are ([\d,]+) of ([\d,]+) cores")
    assert cost == pytest.approx(FIGURES.asr_cpu_s_per_audio_s, abs=0.005)
    assert (cores, all_cores) == pytest.approx((asr.cores, result.cores), rel=CLOSE)
    assert said(r"how many cells there are: (\d+) for") == (result.bus.cells,)
    least, wanted = said(r"`minReplicaCount` of asr is (\d+) and has to be (\d+)")
    assert (least, wanted) == (asr.least / result.bus.cells, asr.standing / result.bus.cells)
    (turns,) = said(r"and a cell has (\d+)\.")
    assert turns == pytest.approx(FLEET.peak_turns_per_s / result.bus.cells, rel=CLOSE)


def test_what_breaks_first_does(result):
    """At as many devices a cell as it says: SKILL_EFFECTS, then asr's pods; and when both are three times as large, SPEECH."""
    broken = {
        bound.name: at / result.bus.cells for bound, at in breaks_first(result, FIGURES, Assumptions(), DEPLOYED, 10)
    }
    first, second, third = sorted(broken, key=lambda name: broken[name])[:3]
    assert (first, second, third) == ("SKILL_EFFECTS: bytes", "asr: pods", "SPEECH: bytes")
    effects = said(r"SKILL_EFFECTS is full first: at some ([\d,]+) devices a cell")
    pods = said(r"Next, at some ([\d,]+) devices a cell, asr's")
    speech = said(r"as many devices, ([\d,]+); then SPEECH is full first")
    assert (*effects, *pods, *speech) == pytest.approx((broken[first], broken[second], broken[third]), rel=CLOSE)
    assert speech[0] <= 3.03 * effects[0]
