"""The autoscaler's algorithm against the examples of its documentation, worked by hand."""

from __future__ import annotations

import pytest

from earshot_cli.scaling.hpa import Autoscaler, Behaviour, Pod, Policy, Rules, by_average, by_ratio, by_utilisation


def down(*policies: Policy, stabilisation_s: float = 0, select: str = "Max") -> Behaviour:
    """Return a behaviour with these rules for scaling down, and Kubernetes' own for scaling up."""
    return Behaviour(down=Rules(stabilisation_s=stabilisation_s, policies=policies, select=select))


def steps(scaler: Autoscaler, current: int, wanted: int, every_s: float, times: int) -> list[int]:
    """Return the replicas after each of some syncs at which one metric wants the same."""
    found = []
    for index in range(times):
        current = scaler.sync(1_000 + index * every_s, current, [wanted])
        found.append(current)
    return found


@pytest.mark.parametrize(("value", "wanted"), [(200, 8), (50, 2), (105, 4), (109, 4), (111, 5), (89, 4), (90, 4)])
def test_the_basic_formula_doubles_halves_and_tolerates_a_tenth(value, wanted):
    """4 pods at 200m of 100m become 8, at 50m 2; within a tenth nothing changes."""
    assert by_ratio(4, value, 100) == wanted


@pytest.mark.parametrize(
    ("total", "replicas", "wanted"), [(40, 3, 5), (24, 3, 3), (26, 3, 3), (27, 3, 4), (8, 3, 1), (0, 3, 0)]
)
def test_an_average_of_an_external_metric_is_the_total_over_the_target(total, replicas, wanted):
    """A lag of 40 at 8 a pod wants 5 pods, whatever there are; 26 is within a tenth of what 3 pods may have."""
    assert by_average(total, 8, replicas) == wanted


def test_pods_that_are_not_ready_count_as_idle_where_more_are_wanted():
    """2 pods at 180 % of the target want 4; with one that is not ready 180 % becomes 120 %, and 3 pods 4."""
    busy = [Pod(usage=0.9, request=1.0)] * 2
    assert by_utilisation(busy, 0.5, 2) == 4
    assert by_utilisation([*busy, Pod(usage=0.0, request=1.0, ready=False)], 0.5, 3) == 4
    assert by_utilisation([*busy, *[Pod(usage=0.1, request=1.0, ready=False)] * 2], 0.5, 4) == 4


def test_a_pod_without_a_figure_dampens_in_both_directions():
    """It counts as busy with all that it requests where fewer are wanted, or to a target above that; as idle where more are."""
    idle, busy = Pod(usage=0.1, request=1.0), Pod(usage=1.0, request=1.0)
    missing = Pod(usage=None, request=1.0)
    assert by_utilisation([idle, idle, missing, missing], 0.5, 4) == 4
    assert by_utilisation([idle] * 8 + [missing], 0.5, 9) == 4
    assert by_utilisation([idle] * 3 + [missing], 2.0, 4) == 2
    assert by_utilisation([idle, idle], 0.5, 2) == 1
    assert by_utilisation([busy, busy, missing], 0.5, 3) == 4
    assert by_utilisation([missing], 0.5, 1) is None


def test_the_policy_that_allows_more_counts():
    """The documentation's example: 10 % or 4 pods a minute takes 80 to 72, then to 64; below 40 by four."""
    policies = (Policy(type="Pods", value=4, period_s=60), Policy(type="Percent", value=10, period_s=60))
    scaler = Autoscaler(minimum=1, maximum=100, behaviour=down(*policies))
    assert steps(scaler, 80, 10, 60, 3) == [72, 64, 57]
    scaler = Autoscaler(minimum=1, maximum=100, behaviour=down(*policies))
    assert steps(scaler, 36, 10, 60, 3) == [32, 28, 24]


def test_the_policy_that_allows_less_counts_where_that_is_chosen():
    """With Min no more than 5 of 80 pods go in a minute; with Disabled none does."""
    policies = (Policy(type="Percent", value=10, period_s=60), Policy(type="Pods", value=5, period_s=60))
    scaler = Autoscaler(minimum=1, maximum=100, behaviour=down(*policies, select="Min"))
    assert steps(scaler, 80, 10, 60, 2) == [75, 70]
    scaler = Autoscaler(minimum=1, maximum=100, behaviour=down(*policies, select="Disabled"))
    assert steps(scaler, 80, 10, 60, 2) == [80, 80]


def test_a_policys_period_counts_what_changed_within_it():
    """With 4 pods a minute, syncs every 15 s take away four and then none until the minute is over."""
    scaler = Autoscaler(minimum=1, maximum=100, behaviour=down(Policy(type="Pods", value=4, period_s=60)))
    assert steps(scaler, 20, 1, 15, 6) == [16, 16, 16, 16, 12, 12]


def test_a_period_begins_with_what_there_was_before_changes_of_both_directions():
    """10 pods that became 4 may become 12 by two more a minute; 10 that became 20 may become 8 by two fewer."""
    two = Rules(stabilisation_s=0, policies=(Policy(type="Pods", value=2, period_s=60),))
    any_number = Rules(stabilisation_s=0, policies=(Policy(type="Percent", value=900, period_s=15),))
    scaler = Autoscaler(
        minimum=1,
        maximum=50,
        behaviour=Behaviour(up=two, down=down(Policy(type="Percent", value=100, period_s=15)).down),
    )
    assert [scaler.sync(0, 10, [4]), scaler.sync(15, 4, [20])] == [4, 12]
    scaler = Autoscaler(minimum=1, maximum=50, behaviour=Behaviour(up=any_number, down=two))
    assert [scaler.sync(0, 10, [20]), scaler.sync(15, 20, [5])] == [20, 8]
    half = Rules(stabilisation_s=0, policies=(Policy(type="Percent", value=50, period_s=60),))
    scaler = Autoscaler(
        minimum=1,
        maximum=50,
        behaviour=Behaviour(up=half, down=down(Policy(type="Percent", value=100, period_s=15)).down),
    )
    assert [scaler.sync(0, 10, [4]), scaler.sync(15, 4, [20]), scaler.sync(90, 15, [40])] == [4, 15, 23]


def test_without_a_behaviour_pods_double_or_grow_by_four_every_sync():
    """From 1: 5 (four more), 10, 20 (doubled), up to the maximum."""
    scaler = Autoscaler(minimum=1, maximum=30, behaviour=Behaviour())
    assert steps(scaler, 1, 100, 15, 4) == [5, 10, 20, 30]


def test_scaling_down_waits_for_the_highest_proposal_of_five_minutes():
    """A proposal of 10 keeps 10 replicas for 300 s after it, then the highest since then counts."""
    scaler = Autoscaler(minimum=1, maximum=30, behaviour=Behaviour())
    assert scaler.sync(0, 10, [10]) == 10
    assert scaler.sync(15, 10, [4]) == 10
    assert scaler.sync(285, 10, [2]) == 10
    assert scaler.sync(300, 10, [2]) == 4
    assert scaler.sync(315, 4, [2]) == 2


def test_what_is_no_longer_wanted_is_not_scaled_up_to():
    """A proposal of 20 that the policies did not let come true keeps what there is when 5 are wanted, and adds none."""
    rules = Rules(stabilisation_s=0, policies=(Policy(type="Pods", value=4, period_s=15),))
    scaler = Autoscaler(minimum=1, maximum=50, behaviour=Behaviour(up=rules))
    replicas, found = 5, []
    for index, wanted in enumerate((20, 20, 5, 5)):
        replicas = scaler.sync(1_000 + 15 * index, replicas, [wanted])
        found.append(replicas)
    assert found == [9, 13, 13, 13]


def test_scaling_up_takes_the_lowest_proposal_of_its_window():
    """With a window of 60 s a peak of one sync changes nothing."""
    rules = Rules(stabilisation_s=60, policies=(Policy(type="Percent", value=900, period_s=15),))
    scaler = Autoscaler(minimum=1, maximum=30, behaviour=Behaviour(up=rules))
    assert [scaler.sync(at, 2, [wanted]) for at, wanted in ((0, 2), (15, 9), (30, 2), (45, 2))] == [2, 2, 2, 2]


def test_the_largest_of_several_metrics_counts_and_one_that_is_lost_forbids_less():
    """Of 3 and 7, 7 counts; with one that can't be read 7 counts still, but 3 of 5 does not."""
    scaler = Autoscaler(minimum=1, maximum=30, behaviour=down(Policy(type="Percent", value=100, period_s=15)))
    assert scaler.sync(0, 5, [3, 7]) == 7
    assert scaler.sync(15, 5, [7, None]) == 7
    assert scaler.sync(1_000, 5, [3, None]) == 5
    assert scaler.sync(2_000, 5, [3]) == 3


def test_minimum_and_maximum_are_kept():
    """Whatever the metrics want."""
    scaler = Autoscaler(minimum=2, maximum=4, behaviour=Behaviour())
    assert scaler.sync(0, 3, [100]) == 4
    assert scaler.sync(1_000, 4, [0]) == 2
    assert scaler.sync(2_000, 1, [1]) == 2
    assert scaler.sync(3_000, 0, [9]) == 0
