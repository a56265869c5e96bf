"""What deploy/base says is what a burst takes: no less holds, and pods are not given more than they can do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from earshot_cli.capacity.assumptions import Assumptions
from earshot_cli.capacity.deployed import read as deployed_services
from earshot_cli.capacity.figures import Figures, read
from earshot_cli.capacity.model import Fleet, capacity
from earshot_cli.scaling import scaledobjects
from earshot_cli.scaling.fleet import ServiceSpec
from earshot_cli.scaling.simulate import LIMIT_S, Scenario, headroom, judge, services, simulate, with_minimum

ROOT = Path(__file__).resolve().parents[2]
BURST = Scenario(begins_s=60, lasts_s=60, after_s=0)

# A second of CPU each, of which a busy machine has few.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Return what was measured when the numbers below deploy/ were chosen."""
    return read(Path(__file__).with_name("figures.json"))


@pytest.fixture(scope="module")
def deployed(figures: Figures) -> list[ServiceSpec]:
    """Return the services as deploy/base has them."""
    return services(figures, scaledobjects.read(ROOT / "deploy" / "base"))


def worst_p95(specs: list[ServiceSpec], figures: Figures, seed: int) -> float:
    """Return the worst half minute of a burst of ten times within a minute."""
    burst = replace(BURST, seed=seed)
    return judge(simulate(specs, figures, burst.arrivals(), burst.seconds, seed=seed), burst).worst_p95_s


@pytest.mark.parametrize("seed", range(1, 25))
def test_ten_times_as_many_within_a_minute_are_answered_within_two_seconds(deployed, figures, seed):
    """Of every half minute of the burst 95 % of the answers begin within 2 s, with the numbers that deploy/base has."""
    assert worst_p95(deployed, figures, seed) <= LIMIT_S


def test_two_recognisers_that_stand_ready_are_too_few(deployed, figures):
    """One recogniser of those deployed may be missing; with two alone the burst does not hold: new pods are too late."""
    standing = deployed[0].scaling.minimum
    worst = {
        ready: max(worst_p95(with_minimum(deployed, "asr", ready), figures, seed) for seed in (1, 2, 3))
        for ready in (standing - 1, 2)
    }
    assert worst[standing - 1] <= LIMIT_S < worst[2]


def test_capacity_has_as_many_stand_ready_as_are_deployed(figures):
    """For the burst's 20 turns a second in one cell `earshot capacity` arrives at the manifests' minReplicaCount, of every service."""
    fleet = Fleet(devices=100_000, turns_per_day=20 * 86_400 / 100_000, peak=1)
    services = capacity(fleet, figures, Assumptions(), deployed_services(ROOT / "deploy" / "base"), cells=1).services
    assert {need.service: need.standing for need in services} == {need.service: need.least for need in services}


@pytest.mark.parametrize("turns_per_s", [5, 44.3, 100])
def test_what_capacity_has_stand_ready_takes_the_burst_in_the_simulation(figures, turns_per_s):
    """A cell as `earshot capacity` prints it holds when it is simulated: its pods stand ready, and ten times as many come in a minute."""
    base = ROOT / "deploy" / "base"
    fleet = Fleet(devices=100_000, turns_per_day=turns_per_s * 86_400 / 100_000, peak=1)
    needs = capacity(fleet, figures, Assumptions(), deployed_services(base), cells=1).services
    printed = {need.service: need.standing for need in needs}
    specs = services(figures, scaledobjects.read(base))
    assert {spec.name for spec in specs} == printed.keys() - {"scheduler"}
    for spec in specs:
        specs = with_minimum(specs, spec.name, printed[spec.name])
    for seed in (1, 2):
        burst = replace(BURST, base=turns_per_s / 10, seed=seed)
        run = simulate(specs, figures, burst.arrivals(), burst.seconds, seed=seed)
        assert judge(run, burst).holds
        for found in headroom(run, specs, figures, burst):
            assert found.standing >= Assumptions().standing, found


def test_a_node_of_the_bus_is_what_the_chart_deploys():
    """`earshot capacity` sizes a cell by nodes with the cores and the memory that deploy/charts/nats.yaml gives them."""
    values = yaml.safe_load((ROOT / "deploy" / "charts" / "nats.yaml").read_text())
    resources = values["container"]["merge"]["resources"]
    assumed = Assumptions()
    assert float(resources["requests"]["cpu"]) == assumed.node_cores
    assert resources["limits"]["memory"] == f"{assumed.node_memory_gib:g}Gi"
    assert values["config"]["cluster"]["replicas"] == assumed.copies


def test_no_pod_is_given_more_than_its_cores_decode(deployed, figures):
    """A recogniser with all of its slots in use keeps up with speech, and its trigger asks for more before they are full."""
    asr = deployed[0]
    assert asr.slots * figures.asr_cpu_s_per_audio_s <= asr.cores
    assert all(trigger.target <= asr.slots for trigger in asr.scaling.triggers)


def test_other_services_stand_ready_for_the_whole_burst(deployed, figures):
    """What stands ready of each is the share of the peak's pods that has to."""
    run = simulate(deployed, figures, BURST.arrivals(), BURST.seconds)
    for found in headroom(run, deployed, figures, BURST)[1:]:
        assert found.standing >= Assumptions().standing, found
