"""ScaledObjects, pods, load and KEDA's own decisions: what is read, what is taken where nothing is said, what is refused."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from earshot_cli.errors import BadArgumentError, NotFoundError
from earshot_cli.scaling import keda, load
from earshot_cli.scaling.fleet import Heard, Point, Run
from earshot_cli.scaling.hpa import Behaviour
from earshot_cli.scaling.plot import svg
from earshot_cli.scaling.scaledobjects import pod_shape, read, scaled_object
from earshot_cli.scaling.simulate import Scenario, verdict

MINIMAL = {
    "kind": "ScaledObject",
    "metadata": {"name": "asr"},
    "spec": {
        "scaleTargetRef": {"name": "asr"},
        "triggers": [{"type": "nats-jetstream", "metadata": {"stream": "S", "consumer": "c", "lagThreshold": "8"}}],
    },
}


def test_what_a_scaled_object_leaves_out_is_what_keda_takes():
    """Polls of 30 s, a cooldown of 300 s, 0 to 100 replicas, Kubernetes' own behaviour."""
    found = scaled_object(MINIMAL)
    assert (found.polling_s, found.cooldown_s, found.minimum, found.maximum) == (30, 300, 0, 100)
    assert found.behaviour == Behaviour()
    assert found.triggers[0].target == 8


def test_a_behaviour_is_merged_field_by_field():
    """Policies that are given replace those of Kubernetes; a window that is not given stays."""
    up = {"policies": [{"type": "Pods", "value": 9, "periodSeconds": 30}]}
    advanced = {
        "horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": up, "scaleDown": {"selectPolicy": "Disabled"}}}
    }
    found = scaled_object({**MINIMAL, "spec": {**MINIMAL["spec"], "advanced": advanced}}).behaviour
    assert [policy.value for policy in found.up.policies] == [9]
    assert found.up.stabilisation_s == 0
    assert found.down.select == "Disabled"
    assert found.down.stabilisation_s == 300


@pytest.mark.parametrize(
    "document",
    [
        {**MINIMAL, "kind": "Deployment"},
        {**MINIMAL, "spec": {"scaleTargetRef": {"name": "asr"}}},
        {**MINIMAL, "spec": {"triggers": []}},
    ],
)
def test_what_is_no_scaled_object_is_refused(document):
    """Another kind, no triggers, no target."""
    with pytest.raises(BadArgumentError) as refused:
        scaled_object(document)
    assert refused.value.code == "bad_scaled_object"


def test_a_trigger_without_a_target_is_refused():
    """Nobody knows how many replicas its metric means."""
    bare = {"type": "nats-jetstream", "metadata": {"stream": "S", "consumer": "c"}}
    found = scaled_object({**MINIMAL, "spec": {**MINIMAL["spec"], "triggers": [bare]}})
    with pytest.raises(BadArgumentError) as refused:
        _ = found.triggers[0].target
    assert refused.value.code == "bad_scaled_object"


@pytest.mark.parametrize(("cpu", "cores"), [("700m", 0.7), ("2", 2.0), (1, 1.0), ("0.25", 0.25)])
@pytest.mark.parametrize(("memory", "mib"), [("900Mi", 900.0), ("1Gi", 1024.0), ("1048576", 1.0)])
def test_a_pods_requests_are_read_in_all_their_units(cpu, cores, memory, mib):
    """Cores and thousandths of them; bytes with and without a unit."""
    container = {"resources": {"requests": {"cpu": cpu, "memory": memory}}, "env": [{"name": "A", "value": "1"}]}
    found = pod_shape({"spec": {"template": {"spec": {"containers": [container]}}}})
    assert (found.cores, found.memory_mib, found.environment) == (cores, mib, {"A": "1"})


def test_a_pod_that_requests_nothing_is_refused():
    """What it is sure of can't be known."""
    with pytest.raises(BadArgumentError) as refused:
        pod_shape({"spec": {"template": {"spec": {"containers": [{}]}}}})
    assert refused.value.code == "bad_deployment"


def test_a_folder_without_scaled_objects_is_refused(tmp_path: Path):
    """And one with broken YAML names the file."""
    with pytest.raises(NotFoundError):
        read(tmp_path)
    (tmp_path / "asr").mkdir()
    (tmp_path / "asr" / "scaledobject.yaml").write_text("{")
    with pytest.raises(BadArgumentError, match=r"scaledobject\.yaml") as refused:
        read(tmp_path)
    assert refused.value.code == "bad_scaled_object"


def test_keda_wakes_restores_and_lets_sleep():
    """From none to one, or to the minimum; back to none when nothing was asked for during the cooldown; else hands off."""
    activity = keda.Activity()
    assert keda.poll(0, 0, 0, 60, activity, active=True) == 1
    assert keda.poll(0, 0, 3, 60, activity, active=True) == 3
    assert keda.poll(10, 5, 0, 60, activity, active=True) == 5
    assert keda.poll(69, 5, 0, 60, activity, active=False) == 5
    assert keda.poll(71, 5, 0, 60, activity, active=False) == 0
    assert keda.poll(500, 2, 2, 60, activity, active=False) == 2
    assert keda.poll(500, 1, 2, 60, activity, active=False) == 2


def test_a_burst_comes_within_its_time_stays_and_goes():
    """Ten times as many after a minute, halfway after half of one, as many as before when it has gone."""
    rate = load.burst(base=2, factor=10, begins_s=100, within_s=60, lasts_s=300)
    assert [rate(at) for at in (0, 100, 130, 160, 460, 490, 520, 900)] == [2, 2, 11, 20, 20, 11, 2, 2]


def test_a_day_has_the_mean_and_the_peak_that_were_asked_for():
    """Its mean over a day is the mean, its busiest moment the peak, and the night is quiet."""
    rate = load.diurnal(mean=3.0, peak=2.4)
    minutes = [rate(minute * 60.0) for minute in range(1440)]
    assert sum(minutes) / len(minutes) == pytest.approx(3.0, rel=0.02)
    assert max(minutes) == pytest.approx(7.2, rel=0.05)
    assert rate(3 * 3600.0) < 1.0


def test_arrivals_are_drawn_at_their_rate_and_repeat():
    """Some 2,000 in 200 s at ten a second; the same ones for the same seed."""
    drawn = load.arrivals(lambda _: 10.0, 200, highest=20, seed=7)
    assert len(drawn) == pytest.approx(2_000, abs=5 * math.sqrt(2_000))
    assert drawn == load.arrivals(lambda _: 10.0, 200, highest=20, seed=7)
    assert all(first < second for first, second in pairwise(drawn))


def test_a_recording_begins_at_nought_and_is_refused_when_it_is_none(tmp_path: Path):
    """Times in any order, one a line; words and an empty file are `bad_recording`."""
    file = tmp_path / "begun.txt"
    file.write_text("105.5\n100\n101.25\n")
    assert load.recorded(file) == [0.0, 1.25, 5.5]
    for text in ("noon\n", ""):
        file.write_text(text)
        with pytest.raises(BadArgumentError) as refused:
            load.recorded(file)
        assert refused.value.code == "bad_recording"


def test_copies_of_a_recording_are_as_many_and_as_fast():
    """Ten copies of a burst: ten times as many, the original among them, none before it began, each 5 s off at most."""
    times = [float(second) for second in range(60)] + [60 + second / 10 for second in range(600)]
    found = load.copied(times, 10, within_s=5.0, seed=3)
    assert len(found) == 10 * len(times)
    assert set(times) <= set(found)
    assert found == sorted(found)
    assert found[0] >= 0.0
    assert found[-1] <= times[-1] + 5.0
    before, during = (sum(begin <= at < begin + 30 for at in found) / 30 for begin in (20, 80))
    assert before == pytest.approx(10, rel=0.1)
    assert during == pytest.approx(100, rel=0.1)
    assert found == load.copied(times, 10, within_s=5.0, seed=3) != load.copied(times, 10, within_s=5.0, seed=4)
    assert load.copied(times, 1, within_s=5.0, seed=3) == times


def test_the_worst_half_minute_decides():
    """Ten minutes of quick answers do not hide half of one with slow ones."""
    heard = [Heard(second / 2, 1.0) for second in range(1_200)]
    heard += [Heard(300 + second / 4, 5.0) for second in range(100)]
    found = verdict(heard, 0, 600)
    assert found.p50_s == 1.0
    assert found.worst_p95_s == 5.0
    assert found.judged == 40
    assert verdict([Heard(float(second), 1.0) for second in range(0, 600, 30)], 0, 600).judged == 0
    assert 270 <= found.worst_at_s <= 330
    assert not found.holds
    assert verdict(heard[:1_200], 0, 600).holds
    with pytest.raises(BadArgumentError) as refused:
        verdict([], 0, 600)
    assert refused.value.code == "nobody_spoke"


def test_the_picture_is_well_formed_and_names_every_service():
    """SVG that a browser opens, with a line for each service and the limit."""
    run = Run(
        heard=[Heard(float(second), 1.0) for second in range(600)],
        points={name: [Point(at, 2, 2, 1, 0) for at in (0.0, 300.0, 600.0)] for name in ("asr", "nlu")},
    )
    drawing = svg(run, Scenario(), [1.0, 2.0, 300.0], "a < b")
    words = [element.text for element in ET.fromstring(drawing).iter() if element.text]  # noqa: S314 - our own
    assert {"asr", "nlu", "a < b"} <= set(words)
    assert drawing.count("<polyline") == 4
