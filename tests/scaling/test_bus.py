"""What a bus needs, worked by hand; and no assumption is there for nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from earshot_cli.capacity import deployed
from earshot_cli.capacity.assumptions import Assumptions, filled
from earshot_cli.capacity.figures import Figures, read
from earshot_cli.capacity.model import BusNeed, Capacity, Fleet, capacity

KEPT = read(Path(__file__).with_name("figures.json"))
DEPLOYED = deployed.read(Path(__file__).resolve().parents[2] / "deploy" / "base")
FLEET = Fleet(devices=17_300_000, turns_per_day=12, peak=4)
# A hundred turns a second, of devices of which half are connected.
ROUND = Fleet(devices=400_000, turns_per_day=21.6, peak=1)
HALVES = Assumptions(online=0.5, retries=1, machine=2, node_cores=2, bus_busy=0.5)


def round_figures() -> Figures:
    """Return figures of a bus in round numbers."""
    bus = {
        "cpu_s_per_turn": 0.02,
        "copy_cost": 2.5,
        "cpu_s_per_delivery": 1e-4,
        "cores_per_thousand_idle": 0.05,
        "memory_kib_per_connection": 60.0,
        "memory_mib": 64.0,
    }
    return KEPT.model_copy(update={"bus": KEPT.bus.model_copy(update=bus)})


def bus_of(assumed: Assumptions) -> BusNeed:
    """Return the bus of the round fleet in two cells, of which nothing is known but its devices."""
    return capacity(ROUND, round_figures(), assumed, (), cells=2).bus


def test_a_bus_by_hand():
    """50 turns a second and 100,000 connections a cell; streams are on three nodes, and the rest is on as many as there are."""
    bus = bus_of(HALVES)
    streams = 50 * 0.02 * 2.5 / 2 / 3
    spread = (50 * 30 * 1e-4 + 100 * 0.05) / 2
    # A core of each may be in use; streams leave 0.58 of it, and 2.6 are needed.
    assert (bus.nodes_per_cell, bus.decided_by, bus.overloaded) == (5, "cores", False)
    assert bus.stream_cores_per_node == pytest.approx(streams)
    assert bus.cores_per_node == pytest.approx(streams + spread / 5)
    assert bus.connections_per_node == 100_000 / 5
    # 60 KiB and 40 of TLS each, AUDIO, SPEECH and QUOTAS, and the server itself.
    assert bus.memory_gib_per_node == pytest.approx(20_000 * 100 / 2**20 + (512 + 512 + 64) / 1024 + 64 / 1024)
    # With room for the CPU, memory decides: 9.5 GiB in what is left of 2.8.
    small = bus_of(replace(HALVES, node_cores=64, node_memory_gib=4))
    assert (small.nodes_per_cell, small.decided_by) == (6, "memory")
    assert bus_of(replace(HALVES, node_cores=64, node_connections=10_000)).nodes_per_cell == 10


def test_streams_are_on_no_more_nodes_than_copies():
    """Where their work fills three nodes, no fourth one helps: it is said, and the fleet is split over more cells."""
    busy = replace(HALVES, copy_cost=10)
    assert bus_of(busy).overloaded
    assert not bus_of(replace(busy, copies=6)).overloaded
    split = capacity(ROUND, round_figures(), busy, ()).bus
    assert split.cells > 2
    assert not split.overloaded
    assert split.stream_cores_per_node < 1
    assert split.decided_by != "cores"


def everything(assumed: Assumptions) -> list[Capacity]:
    """Return what a fleet needs in cells that its nodes' cores, its bounds, its connections and its memory decide."""
    return [
        capacity(FLEET, KEPT, assumed, DEPLOYED),
        capacity(FLEET, KEPT, replace(assumed, node_cores=100 * assumed.node_cores), DEPLOYED),
        capacity(FLEET, KEPT, assumed, DEPLOYED, cells=1),
        capacity(FLEET, KEPT, replace(assumed, node_connections=1e3 * assumed.node_connections), DEPLOYED, cells=1),
    ]


@pytest.fixture(scope="module")
def plain() -> list[Capacity]:
    """Return what is needed when nothing is assumed otherwise."""
    return everything(Assumptions())


@pytest.mark.parametrize("name", [each.name for each in fields(Assumptions)])
def test_each_assumption_changes_something(plain, name):
    """Twice as much of it is another need of pods, nodes or cells, or another share of a bound."""
    twice = 2 * getattr(filled(Assumptions(), KEPT), name)
    assert everything(replace(Assumptions(), **{name: twice})) != plain


def test_longer_utterances_and_answers_cost_more():
    """Assumed twice as long, asr takes twice as much, tts likewise, and the bus in proportion to all sound of a turn."""
    plain = capacity(FLEET, KEPT, Assumptions(machine=1), DEPLOYED, cells=1)
    spoken = capacity(FLEET, KEPT, Assumptions(utterance_s=2 * KEPT.utterance_s), DEPLOYED, cells=1)
    answered = capacity(FLEET, KEPT, Assumptions(answer_s=2 * KEPT.answer_s), DEPLOYED, cells=1)
    cores = [
        {
            need.service: need.cores - need.peak * KEPT.services[need.service].idle_cores
            for need in each.services[:5]
            if need.service in KEPT.services
        }
        for each in (plain, spoken, answered)
    ]
    assert cores[1]["asr"] == pytest.approx(2 * cores[0]["asr"])
    assert cores[1]["tts"] == pytest.approx(cores[0]["tts"])
    assert cores[2]["tts"] == pytest.approx(2 * cores[0]["tts"])
    sound = KEPT.utterance_s + KEPT.answer_s
    louder = (sound + KEPT.utterance_s) / sound
    assert spoken.bus.stream_cores_per_node == pytest.approx(louder * plain.bus.stream_cores_per_node)
