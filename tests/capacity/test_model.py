"""From a fleet to pods and nodes: arithmetic that can be worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from earshot_cli.capacity.assumptions import Assumptions, assumed, meanings
from earshot_cli.capacity.figures import BusFigures, Figures, ServiceFigures
from earshot_cli.capacity.model import Fleet, breaks_first, capacity
from earshot_cli.errors import BadArgumentError
from earshot_topology import streams

# Ten turns a second on average, forty at the busiest moment.
SMALL = Fleet(devices=72_000, turns_per_day=12, peak=4)
# Nothing is repeated, everything is used to the full, nothing is spare, and KEDA asks for no more than that.
BARE = Assumptions(
    retries=1, busy=1, spare_pods=1e-9, standing=1, skills=1, timers=1, asr_cores=1, asr_target=1_000, tts_target=1_000
)


def figures() -> Figures:
    """Return figures with round numbers: 0.5 s of CPU an utterance, 10 ms a turn elsewhere."""
    service = ServiceFigures(cpu_s_per_turn=0.01, idle_cores=0, memory_mib=100, start_s=5)
    bus = BusFigures(
        cpu_s_per_turn=0.02,
        memory_mib=50,
        connections=1_000,
        memory_kib_per_connection=60,
        cpu_s_per_connect=0.001,
        connects_per_s=500,
        cpu_s_per_delivery=0.00001,
        deliveries_per_s=10_000,
        cores_per_thousand_idle=0.0,
        stored_bytes={"KV_SESSIONS": 1_000, "KV_DEVICE_STATES": 500},
    )
    return Figures(
        measured_at="now",
        machine="one",
        turns=1,
        utterance_s=2.5,
        answer_s=4,
        asr_cpu_s_per_audio_s=0.2,
        first_audio_s=(1.0,),
        services=dict.fromkeys(("asr", "nlu", "dialogue", "scheduler", "skill", "tts"), service),
        bus=bus,
    )


def test_the_busiest_moment_is_the_days_mean_times_the_peak():
    """72,000 devices with 12 turns a day are 10 turns a second, and 40 at the busiest moment."""
    assert SMALL.mean_turns_per_s == pytest.approx(10)
    assert SMALL.peak_turns_per_s == pytest.approx(40)


def test_pods_are_the_cores_in_use_over_what_a_pod_may_use():
    """40 utterances of 2.5 s at 0.2 s of CPU a second are 20 cores; a pod of two cores used to half does one of them."""
    result = capacity(SMALL, figures(), replace(BARE, asr_cores=2, busy=0.5, standing=0.1), cells=1)
    asr = next(need for need in result.services if need.service == "asr")
    assert asr.cores == pytest.approx(20)
    assert asr.peak == 20 + 1
    assert asr.mean == 5 + 1
    nlu = next(need for need in result.services if need.service == "nlu")
    assert nlu.cores == pytest.approx(0.4)
    assert nlu.peak == 1 + 1


def test_there_are_never_fewer_pods_than_always_stand_ready():
    """Whatever the load: of nlu, which has hardly any work, as many as stand ready; of asr at night, too."""
    assumed = replace(BARE, asr_cores=2, busy=0.5, standing=1, standing_least=7)
    services = {need.service: need for need in capacity(SMALL, figures(), assumed, cells=1).services}
    assert (services["nlu"].mean, services["nlu"].peak, services["nlu"].standing) == (7, 7, 7)
    assert (services["asr"].mean, services["asr"].peak, services["asr"].standing) == (21, 21, 21)


def test_a_faster_machine_needs_fewer_and_repeated_turns_need_more():
    """Twice the speed halves the cores, twice the work doubles them."""
    plain, fast, repeated = (
        capacity(SMALL, figures(), each, cells=1).services[0].cores
        for each in (BARE, replace(BARE, machine=2), replace(BARE, retries=2))
    )
    assert fast == pytest.approx(plain / 2)
    assert repeated == pytest.approx(plain * 2)


def test_every_cell_has_pods_and_nodes_of_its_own():
    """Split over four buses, a service that one pod and a spare one carry has eight; each bus has three nodes."""
    result = capacity(SMALL, figures(), replace(BARE, copies=3), cells=4)
    nlu = next(need for need in result.services if need.service == "nlu")
    assert nlu.peak == 4 * (1 + 1)
    assert nlu.standing == 2 * 4
    assert result.bus.nodes == 4 * 3
    assert result.bus.decided_by == "copies of the streams"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"node_connections": 10_000}, "connections"),
        ({"node_memory_gib": 2.0}, "memory"),
        ({"node_cores": 0.1}, "cores"),
    ],
)
def test_nodes_follow_from_what_is_scarcest(changed, reason):
    """Connections, memory or cores that a node lacks make more of them, and the reason is told."""
    result = capacity(SMALL, figures(), replace(BARE, **changed), cells=1)
    assert result.bus.decided_by == reason
    assert result.bus.nodes_per_cell > 3


def test_the_fullest_bound_decides_how_many_cells_there_are():
    """Each device has a shadow of 500 bytes: three times what half of the bucket holds are three cells."""
    limit = next(config.max_bytes or 0 for config in streams.BUCKETS if config.bucket == "DEVICE_STATES")
    asleep = Fleet(devices=int(limit / 500 * 0.5) * 3, turns_per_day=0.001, peak=1)
    result = capacity(asleep, figures(), replace(BARE, full=0.5, household_devices=1_000, schedules=0.001))
    assert next(bound for bound in result.bus.bounds if bound.decides).of == "DEVICE_STATES"
    assert result.bus.cells == 3


def test_what_breaks_first_is_what_is_fullest_and_at_its_bound():
    """The first to break breaks at the fewest devices, and there its bound is just reached."""
    result = capacity(SMALL, figures(), BARE)
    broken = breaks_first(result, figures(), BARE, 1_000)
    first, at = broken[0]
    there = Fleet(devices=round(at), turns_per_day=12, peak=4)
    again = capacity(there, figures(), BARE, cells=result.bus.cells)
    found = next(bound for bound in again.bus.bounds if bound.name == first.name)
    assert at == min(place for _, place in broken)
    assert found.share / result.bus.cells == pytest.approx(1, rel=0.01)


def test_a_fleet_that_does_not_grow_breaks_nothing():
    """The cells were chosen so that it fits."""
    result = capacity(SMALL, figures(), BARE)
    assert not breaks_first(result, figures(), BARE, 1)


def test_assumptions_have_names_and_can_be_others():
    """`name=value` replaces one; each has a meaning."""
    assert assumed(["busy=0.25", " machine = 2 "]) == replace(Assumptions(), busy=0.25, machine=2)
    assert all(meanings().values())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("bussy=1", "unknown_assumption"),
        ("busy", "bad_argument"),
        ("busy=much", "bad_argument"),
        ("busy=0", "bad_argument"),
        ("busy=-1", "bad_argument"),
        ("busy=nan", "bad_argument"),
        ("busy=inf", "bad_argument"),
    ],
)
def test_an_assumption_that_is_none_is_refused(text, code):
    """An unknown name, no number, or one that is not above 0."""
    with pytest.raises(BadArgumentError) as refused:
        assumed([text])
    assert refused.value.code == code


@pytest.mark.parametrize("fleet", [(0, 12, 4), (1, 0, 4), (1, 12, 0.5), (1, float("nan"), 4), (1, 12, float("nan"))])
def test_what_is_no_fleet_is_refused(fleet):
    """No devices, no turns, or a peak below the mean."""
    devices, turns, peak = fleet
    with pytest.raises(BadArgumentError):
        Fleet(devices=devices, turns_per_day=turns, peak=peak)


def test_no_cell_is_refused():
    """There is at least one bus."""
    with pytest.raises(BadArgumentError):
        capacity(SMALL, figures(), BARE, cells=0)
