"""From a fleet to pods and nodes: arithmetic that can be worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from earshot_cli.capacity.assumptions import Assumptions, assumed, meanings
from earshot_cli.capacity.deployed import Deployed
from earshot_cli.capacity.figures import BusFigures, Figures, ServiceFigures
from earshot_cli.capacity.model import Fleet, breaks_first, capacity
from earshot_cli.capacity.pods import ServiceNeed
from earshot_cli.errors import BadArgumentError
from earshot_cli.scaling.hpa import Behaviour
from earshot_cli.scaling.scaledobjects import PodShape, ScaledObject, Trigger
from earshot_topology import streams

# Ten turns a second on average, forty at the busiest moment.
SMALL = Fleet(devices=72_000, turns_per_day=12, peak=4)
# Nothing is repeated, everything is used to the full, and nothing is spare.
BARE = Assumptions(retries=1, busy=1, spare_pods=1e-9, standing=1, timers=1)


def service(name: str, *triggers: Trigger, cores: float = 1, least: int = 1, most: int = 1_000) -> Deployed:
    """Return a service as a folder of deploy/base has it; without a trigger nothing but its CPU asks for pods."""
    scaling = ScaledObject(
        name=name,
        target=name,
        minimum=least,
        maximum=most,
        polling_s=5,
        cooldown_s=300,
        behaviour=Behaviour(),
        triggers=triggers,
    )
    pod = PodShape(cores=cores, memory_mib=100, environment={})
    return Deployed(
        name=name, skill=name.startswith("skill-"), scaling=scaling, pod=pod, source=f"{name}/scaledobject.yaml"
    )


def lag(consumer: str, threshold: int) -> Trigger:
    """Return a trigger that counts what a consumer has in hand."""
    metadata = {"stream": "S", "consumer": consumer, "lagThreshold": str(threshold)}
    return Trigger(type="nats-jetstream", name="lag", metadata=metadata)


CPU = Trigger(type="cpu", name="", metadata={"value": "60"})
DEPLOYED = tuple(service(name) for name in ("asr", "nlu", "dialogue", "scheduler", "tts", "skill-clock"))


def need_of(*deployed: Deployed, assumed: Assumptions = BARE, cells: int = 1) -> ServiceNeed:
    """Return what the small fleet needs of the first of some services."""
    return capacity(SMALL, figures(), assumed, deployed, cells=cells).services[0]


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
        stream_writes_per_s=10_000,
        memory_stream_writes_per_s=60_000,
        cpu_s_per_delivery=0.00001,
        deliveries_per_s=10_000,
        cores_per_thousand_idle=0.0,
        copy_cost=2.2,
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
    assumed = replace(BARE, busy=0.5, spare_pods=1, standing=0.1)
    asr = need_of(service("asr", cores=2), assumed=assumed)
    assert asr.cores == pytest.approx(20)
    assert (asr.mean, asr.peak, asr.decided_by) == (5 + 1, 20 + 1, "cores in use")
    # A pod is sure of no more than it requests, and one process of no more than one core: 0.4 cores are in use.
    nlu = need_of(service("nlu", cores=0.1), assumed=assumed)
    assert nlu.cores == pytest.approx(0.4)
    assert (nlu.peak, nlu.decided_by) == (8 + 1, "cores in use")
    assert need_of(service("nlu", cores=4), assumed=assumed).peak == 1 + 1


@pytest.mark.parametrize(
    ("name", "trigger", "in_hand"),
    [
        # 40 turns a second, and how long a message of each is in somebody's hands.
        ("asr", lag("asr", 2), 40 * (2.5 + BARE.utterance_tail_s)),
        ("nlu", lag("nlu", 1), 40 * BARE.nlu_pending_s),
        ("dialogue", lag("dialogue", 2), 40 * BARE.turn_pending_s),
        ("tts", lag("tts", 8), 40 * (4 - BARE.answer_ahead_s)),
        # One timer a turn, and the alarms of one moment.
        ("scheduler", lag("scheduler_due", 1), (40 + 72_000 * BARE.alarms_at_once) * BARE.handled_s),
    ],
)
def test_pods_are_as_many_as_the_services_own_trigger_asks_for(name, trigger, in_hand):
    """What its consumer has in hand at the busiest moment, over what the trigger lets one pod have."""
    need = need_of(service(name, trigger))
    cores = need.cores
    assert need.peak == math.ceil(max(in_hand / trigger.target, cores)) + 1
    assert need.decided_by == f"lag {trigger.target:g}"
    twice = need_of(service(name, trigger.aiming(trigger.target / 2)))
    assert twice.peak == math.ceil(2 * in_hand / trigger.target) + 1


def test_a_cpu_trigger_counts_by_what_a_pod_requests():
    """0.4 cores are seven pods of 100m at 60 %, though one pod could have them; of twice as many skills each has half of it."""
    skill = service("skill-clock", CPU, cores=0.1)
    assert (need_of(skill).peak, need_of(skill).decided_by) == (7 + 1, "CPU 60% of 0.1")
    assert need_of(skill, service("skill-music", CPU, cores=0.1)).peak == 4 + 1
    assert need_of(skill, assumed=replace(BARE, skill_skew=2)).peak == 14 + 1


def test_a_pod_that_works_at_rest_has_less_for_turns():
    """Of 60m that a skill's pod may use, 25 are in use in any case: 0.4 cores are 12 pods, and each of them uses those 25 as well."""
    rest = figures()
    skill = rest.services["skill"].model_copy(update={"idle_cores": 0.025})
    rest = rest.model_copy(update={"services": {**rest.services, "skill": skill}})
    (need,) = capacity(SMALL, rest, BARE, [service("skill-clock", CPU, cores=0.1)], cells=1).services
    assert need.peak == 12 + 1
    assert need.cores == pytest.approx(0.4 + 13 * 0.025)


def test_a_recogniser_has_no_more_utterances_than_slots():
    """Whatever its trigger lets it have: 104 utterances in progress are 26 pods of four."""
    asr = service("asr", lag("asr", 100))
    four = replace(asr, pod=replace(asr.pod, environment={"EARSHOT_ASR_UTTERANCES": "4"}))
    assert (need_of(four).peak, need_of(four).decided_by) == (26 + 1, "slots 4")
    assert need_of(asr).decided_by == "cores in use"


def test_a_metric_of_ours_counts_like_the_consumer_that_it_is_about():
    """Utterances that recognisers own ask for as many pods as the consumer's lag does, and the stricter trigger decides."""
    query = {"query": "sum(earshot_asr_active_utterances)", "threshold": "1"}
    strict = Trigger(type="prometheus", name="active", metadata=query)
    both = need_of(service("asr", lag("asr", 100), strict))
    assert both.peak == need_of(service("asr", lag("asr", 1))).peak
    assert both.decided_by == "active 1"


@pytest.mark.parametrize(
    ("name", "trigger"),
    [("asr", lag("nobody", 1)), ("asr", Trigger(type="cron", name="", metadata={})), ("echo", CPU)],
)
def test_what_is_not_known_is_said(name, trigger):
    """A consumer or a trigger of which nothing is known, a service whose cost was not measured: they have what stands ready."""
    need = need_of(service(name, trigger, least=30))
    assert not need.modelled
    assert need.peak == 30
    assert need_of(service("asr", CPU)).modelled


def test_more_pods_than_the_manifests_allow_are_told():
    """20 cores are 20 pods and one; where 20 may be started, that is one too few, and in two cells there is room."""
    asr = service("asr", most=20)
    assert (need_of(asr).peak, need_of(asr).allowed, need_of(asr).exceeds) == (21, 20, True)
    assert need_of(asr, cells=2).allowed == 40
    assert not need_of(asr, cells=2).exceeds


def test_what_may_be_started_is_a_bound_that_breaks_and_asks_for_no_cells():
    """It breaks at as many devices as its pods suffice for, and cells follow from the bus alone."""
    deployed = (service("asr", most=210),)
    result = capacity(SMALL, figures(), BARE, deployed)
    assert result.bus.cells == capacity(SMALL, figures(), BARE, DEPLOYED).bus.cells
    broken = {bound.name: at for bound, at in breaks_first(result, figures(), BARE, deployed, 1_000)}
    # 20 cores for 72,000 devices.
    assert broken["asr: pods"] == pytest.approx(result.bus.cells * 210 / 20 * 72_000, rel=0.01)


def test_there_are_never_fewer_pods_than_always_stand_ready():
    """Whatever the load: of nlu, which has hardly any work, as many as the manifest says; of asr at night, too."""
    assumed = replace(BARE, busy=0.5)
    nlu, asr = need_of(service("nlu", least=7), assumed=assumed), need_of(service("asr", least=7), assumed=assumed)
    assert (nlu.mean, nlu.peak, nlu.standing, nlu.decided_by) == (7, 7, 7, "always ready")
    assert (asr.mean, asr.peak, asr.standing, asr.least) == (40, 41, 40, 7)


def test_a_faster_machine_needs_fewer_and_repeated_turns_need_more():
    """Twice the speed halves the cores, twice the work doubles them."""
    plain, fast, repeated = (
        need_of(DEPLOYED[0], assumed=each).cores for each in (BARE, replace(BARE, machine=2), replace(BARE, retries=2))
    )
    assert fast == pytest.approx(plain / 2)
    assert repeated == pytest.approx(plain * 2)


def test_every_cell_has_pods_and_nodes_of_its_own():
    """Split over four buses, a service that one pod and a spare one carry has eight; each bus has three nodes."""
    result = capacity(SMALL, figures(), replace(BARE, copies=3), [service("nlu", least=2)], cells=4)
    (nlu,) = result.services
    assert nlu.peak == 4 * (1 + 1)
    assert nlu.standing == nlu.least == 2 * 4
    assert result.bus.nodes == 4 * 3
    assert result.bus.decided_by == "copies of the streams"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"node_connections": 10_000}, "connections"),
        ({"node_memory_gib": 2.0}, "memory"),
        ({"node_cores": 2.0, "deliveries_per_turn": 10_000}, "cores"),
    ],
)
def test_nodes_follow_from_what_is_scarcest(changed, reason):
    """Connections, memory or cores that a node lacks make more of them, and the reason is told."""
    result = capacity(SMALL, figures(), replace(BARE, **changed), DEPLOYED, cells=1)
    assert result.bus.decided_by == reason
    assert result.bus.nodes_per_cell > 3


def test_the_fullest_bound_decides_how_many_cells_there_are():
    """Each device has a shadow of 500 bytes: three times what half of the bucket holds are three cells."""
    limit = next(config.max_bytes or 0 for config in streams.BUCKETS if config.bucket == "DEVICE_STATES")
    asleep = Fleet(devices=int(limit / 500 * 0.5) * 3, turns_per_day=0.001, peak=1)
    result = capacity(asleep, figures(), replace(BARE, full=0.5, household_devices=1_000, schedules=0.001), DEPLOYED)
    assert next(bound for bound in result.bus.bounds if bound.remedy == "cells").of == "DEVICE_STATES"
    assert result.bus.cells == 3


def test_what_breaks_first_is_what_is_fullest_and_at_its_bound():
    """The first to break breaks at the fewest devices, and there its bound is just reached."""
    result = capacity(SMALL, figures(), BARE, DEPLOYED)
    broken = breaks_first(result, figures(), BARE, DEPLOYED, 1_000)
    first, at = broken[0]
    there = Fleet(devices=round(at), turns_per_day=12, peak=4)
    again = capacity(there, figures(), BARE, DEPLOYED, cells=result.bus.cells)
    found = next(bound for bound in again.bus.bounds if bound.name == first.name)
    assert at == min(place for _, place in broken)
    assert found.share / result.bus.cells == pytest.approx(1, rel=0.01)


def test_a_fleet_that_does_not_grow_breaks_nothing():
    """The cells were chosen so that it fits."""
    result = capacity(SMALL, figures(), BARE, DEPLOYED)
    assert not breaks_first(result, figures(), BARE, DEPLOYED, 1)


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
        capacity(SMALL, figures(), BARE, DEPLOYED, cells=0)
