"""What docs/scale.md says of a fleet is what the command works out of the figures that are kept here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from earshot_cli.capacity import deployed
from earshot_cli.capacity.assumptions import Assumptions, assumed
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
    needs = {need.service: need for need in result.services}
    for name, shown in (
        ("dialogue", said(r"that of dialogue (\d+) and (\d+), that of tts")),
        ("tts", said(r"that of tts (\d+) and (\d+): it is chosen")),
    ):
        assert shown == (needs[name].least / result.bus.cells, needs[name].standing / result.bus.cells)
    least, wanted = said(r"`minReplicaCount` of asr is (\d+) and has to be (\d+)")
    assert (least, wanted) == (asr.least / result.bus.cells, asr.standing / result.bus.cells)
    (turns,) = said(r"and a cell has (\d+)\.")
    assert turns == pytest.approx(FLEET.peak_turns_per_s / result.bus.cells, rel=CLOSE)


def test_sentences_about_the_bus_are_true(result):
    """Cells and nodes, what one of them carries, what leaders take and copies cost."""
    bus, measured = result.bus, FIGURES.bus
    assert said(r"(\d+) cells of (\d+) nodes, (\d+) in all") == (bus.cells, bus.nodes_per_cell, bus.nodes)
    assert bus.cells_by == "cores of its nodes"
    file, memory = said(r"([\d,]+) messages a second in a file, ([\d,]+) frames in memory")
    assert (file, memory) == pytest.approx(
        (measured.stream_writes_per_s, measured.memory_stream_writes_per_s), rel=CLOSE
    )
    of_bounds = {bound.name: 100 * bound.share / bus.cells for bound in bus.bounds}
    used = said(r"this size uses (\d+) % of the one and (\d+) % of the other")
    frames, writes = of_bounds["AUDIO: frames a second"], of_bounds["DEVICE_EVENTS: writes a second"]
    assert used == pytest.approx((writes, frames), abs=0.5)
    connections, gib, cores = said(r"node of it has ([\d,]+) connections, ([\d.]+) GiB and ([\d.]+) cores in use")
    assert connections == pytest.approx(bus.connections_per_node, rel=CLOSE)
    assert (gib, cores) == pytest.approx((bus.memory_gib_per_node, bus.cores_per_node), abs=0.06)
    assert said(r"of the ([\d.]+) GiB and ([\d.]+) cores that") == (
        Assumptions().node_memory_gib,
        Assumptions().node_cores,
    )
    assert said(r"costs ([\d.]+) times as much on three nodes") == pytest.approx((measured.copy_cost,), abs=0.05)
    assert said(r"as those that were measured \(([\d.]+) and ([\d.]+) s\)") == pytest.approx(
        (FIGURES.utterance_s, FIGURES.answer_s), abs=0.05
    )


def test_more_utterances_a_pod_are_as_many_pods_as_it_says():
    """With twelve slots and a trigger of twelve, and with the trigger alone."""
    pods = said(
        r"\(([\d,]+) pods, `--assume asr.target=12 --assume asr.slots=12`; .+ eight that decide, ([\d,]+) pods\)"
    )
    for shown, given in zip(pods, (["asr.target=12", "asr.slots=12"], ["asr.target=12"]), strict=True):
        asr = capacity(FLEET, FIGURES, Assumptions(), deployed.changed(DEPLOYED, given)).services[0]
        assert shown == pytest.approx(asr.peak, rel=CLOSE)
        assert asr.decided_by == ("slots 8" if len(given) == 1 else "cores in use")


def breaking(given: Assumptions) -> dict[str, float]:
    """Return at how many devices a cell each bound breaks, the first one first."""
    found = capacity(FLEET, FIGURES, given, DEPLOYED)
    broken = breaks_first(found, FIGURES, given, DEPLOYED, 10)
    return {bound.name: at / found.bus.cells for bound, at in sorted(broken, key=lambda each: each[1])}


def test_what_breaks_first_does(result):
    """At as many devices a cell as it says: asr's pods, dialogue's, the nodes' cores, SKILL_EFFECTS, SPEECH; cells as they are have half."""
    broken = breaking(Assumptions())
    assert list(broken)[:5] == [
        "asr: pods",
        "dialogue: pods",
        "NATS, nodes that hold streams: cores",
        "SKILL_EFFECTS: bytes",
        "SPEECH: bytes",
    ]
    shown = (
        *said(r"asr is reached first: at some ([\d,]+) devices a cell"),
        *said(r"At some ([\d,]+) that of dialogue follows"),
        *said(r"Next, at some ([\d,]+) devices a cell, all cores of the nodes"),
        *said(r"then, at some ([\d,]+), the bucket SKILL_EFFECTS is full"),
        *said(r"then, at some ([\d,]+), SPEECH"),
    )
    assert shown == pytest.approx(tuple(broken.values())[:5], rel=CLOSE)
    (devices,) = said(r"Cells of ([\d,]+) devices, as they are above")
    assert devices == pytest.approx(FLEET.devices / result.bus.cells, rel=CLOSE)
    assert 2 * devices < broken["asr: pods"]


def test_what_breaks_first_with_other_effects_does(result):
    """With the skills that are shipped SPEECH is fourth; with an entry in each turn SKILL_EFFECTS is first, and decides cells."""
    assert said(r"once for each call: (\d+) bytes, measured") == (FIGURES.bus.stored_bytes["KV_SKILL_EFFECTS"],)
    (few,) = said(r"Once for each timer \(`--assume effects=([\d.]+)`\)")
    assert few == Assumptions().timers
    shipped = breaking(assumed([f"effects={few}"]))
    assert list(shipped)[:4] == [
        "asr: pods",
        "dialogue: pods",
        "NATS, nodes that hold streams: cores",
        "SPEECH: bytes",
    ]
    assert capacity(FLEET, FIGURES, assumed([f"effects={few}"]), DEPLOYED).bus.cells == result.bus.cells
    (each,) = said(r"With one in each turn \(`--assume effects=([\d.]+)`\)")
    always = assumed([f"effects={each}"])
    (first,) = said(r"SKILL_EFFECTS is full first, at some ([\d,]+) devices a cell")
    broken = breaking(always)
    assert next(iter(broken)) == "SKILL_EFFECTS: bytes"
    assert first == pytest.approx(broken["SKILL_EFFECTS: bytes"], rel=CLOSE)
    bus = capacity(FLEET, FIGURES, always, DEPLOYED).bus
    assert (*said(r"decides how many cells there are: (\d+)\."), "SKILL_EFFECTS: bytes") == (bus.cells, bus.cells_by)
