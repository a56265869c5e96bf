"""What a bus has only so much of: nothing that the topology limits is left out, and assumptions reach what they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from earshot_cli.capacity import deployed
from earshot_cli.capacity.assumptions import Assumptions, assumed
from earshot_cli.capacity.bounds import UNBOUND, Bound, bounds
from earshot_cli.capacity.figures import read
from earshot_cli.capacity.model import Fleet, breaks_first, capacity
from earshot_topology import streams

FIGURES = read(Path(__file__).with_name("figures.json"))
DEPLOYED = deployed.read(Path(__file__).resolve().parents[2] / "deploy" / "base")
FLEET = Fleet(devices=17_300_000, turns_per_day=12, peak=4)
LIMITS = {
    **{config.name: config.max_bytes for config in streams.STREAMS if config.max_bytes},
    **{config.bucket: config.max_bytes for config in (*streams.BUCKETS, *streams.OBJECT_STORES) if config.max_bytes},
    **{consumer.durable: consumer.max_ack_pending for consumer in streams.CONSUMERS},
}


def found(*given: str) -> dict[str, Bound]:
    """Return the bounds by name."""
    return {bound.name: bound for bound in bounds(FLEET, FIGURES, assumed(given))}


def test_whatever_the_topology_limits_has_a_bound_or_a_reason():
    """A stream, bucket or consumer that is declared with a limit and forgotten here fails this."""
    bounded = {bound.of for bound in found().values()}
    assert set(LIMITS) <= bounded | set(UNBOUND)
    assert not bounded & set(UNBOUND)
    assert set(UNBOUND) <= set(LIMITS)


def test_limits_are_those_of_the_topology():
    """Bytes and unacknowledged messages are compared with what is declared, not with a copy of it."""
    for bound in found().values():
        if bound.name.endswith((": bytes", ": unacknowledged")):
            assert bound.limit == LIMITS[bound.of], bound.name
            assert bound.used > 0


def test_what_is_kept_for_a_day_is_counted_by_the_days_turns():
    """12 turns of each device, a fifth of which is written down in a journal, in 256 MiB; of 700 bytes each, if none was measured."""
    measured = FIGURES.bus.stored_bytes
    effects = 17.3e6 * 12 * 0.2 / (256 << 20)
    assert found()["SKILL_EFFECTS: bytes"].share == pytest.approx(effects * measured["KV_SKILL_EFFECTS"])
    others = {name: size for name, size in measured.items() if name != "KV_SKILL_EFFECTS"}
    unknown = FIGURES.model_copy(update={"bus": FIGURES.bus.model_copy(update={"stored_bytes": others})})
    (bound,) = [each for each in bounds(FLEET, unknown, assumed([])) if each.of == "SKILL_EFFECTS"]
    assert bound.share == pytest.approx(effects * 700)
    assert found()["DIRECTIVES: bytes"].share == pytest.approx(17.3e6 * 12 * 0.1 * measured["DIRECTIVES"] / (256 << 20))


def test_the_first_bound_is_the_one_that_the_docs_name():
    """Cores of the bus decide how many cells there are; asr's pods break first when the fleet grows, and the next three follow in the docs."""
    result = capacity(FLEET, FIGURES, Assumptions(), DEPLOYED)
    broken = breaks_first(result, FIGURES, Assumptions(), DEPLOYED, times=10)
    assert result.bus.cells_by == "cores of its nodes"
    assert broken[0][0].of == "asr"
    scale = (Path(__file__).resolve().parents[2] / "docs" / "scale.md").read_text()
    rows = [
        scale.index(f"| {bound.of}, " if bound.remedy == "cells" else f"| `maxReplicaCount` of {bound.of}, ")
        for bound, _ in broken[:4]
    ]
    assert rows == sorted(rows)


def test_a_full_cache_asks_for_no_cells():
    """TTS_CACHE is the fullest by far, and decides nothing."""
    result = capacity(FLEET, FIGURES, Assumptions(), DEPLOYED)
    assert result.bus.bounds[0].of == "TTS_CACHE"
    assert capacity(FLEET, FIGURES, assumed(["new_sentences=0.5"]), DEPLOYED).bus.cells == result.bus.cells
    assert "TTS_CACHE" not in {
        bound.of for bound, _ in breaks_first(result, FIGURES, Assumptions(), DEPLOYED, times=10)
    }


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("claimed_s", "OUTCOMES: bytes"),
        ("backfill_s", "SPEECH: bytes"),
        ("frames_per_s", "AUDIO: frames a second"),
        ("device_events_writes", "DEVICE_EVENTS: writes a second"),
        ("utterance_tail_s", "UTTERANCES, consumer asr: unacknowledged"),
        ("turn_pending_s", "TURNS, consumer dialogue: unacknowledged"),
        ("nlu_pending_s", "TURNS, consumer nlu: unacknowledged"),
        ("handled_s", "DEADLINES, consumer dialogue_deadline: unacknowledged"),
        ("schedules", "SCHEDULES: bytes"),
        ("alarms_at_once", "OCCURRENCES, consumer scheduler_due: unacknowledged"),
    ],
)
def test_what_decides_a_bound_can_be_assumed_otherwise(name, bound):
    """Twice as much of it fills the bound more."""
    twice = 2 * getattr(Assumptions(), name)
    assert found(f"{name}={twice}")[bound].used > found()[bound].used


def test_what_decides_the_bus_can_be_assumed_otherwise():
    """More connections a pod are more connections a node; less memory for them is more nodes."""
    plain = capacity(FLEET, FIGURES, Assumptions(), DEPLOYED, cells=1).bus
    pods = capacity(FLEET, FIGURES, assumed(["pod_connections=500"]), DEPLOYED, cells=1).bus
    assert pods.nodes > plain.nodes
    tight = capacity(FLEET, FIGURES, assumed(["node_memory_busy=0.04"]), DEPLOYED, cells=1).bus
    assert tight.decided_by == "memory"
    assert tight.nodes > plain.nodes
