"""A fleet under load in virtual time: waits that can be worked by hand, pods that come late, and runs that repeat."""

from __future__ import annotations

from dataclasses import replace

import pytest

from earshot_cli.scaling.fleet import Conditions, Fleet, Run, ServiceSpec, measured
from earshot_cli.scaling.hpa import Behaviour
from earshot_cli.scaling.scaledobjects import ScaledObject, Trigger
from earshot_cli.scaling.simulate import quantile

BASE_S = 1.0
UTTERANCE_S = 2.0


def scaling(name: str, *, minimum: int = 1, maximum: int = 1, **trigger: str) -> ScaledObject:
    """Return a ScaledObject on a service's lag, unless another trigger is given."""
    one = Trigger(type="nats-jetstream", name="lag", metadata={"consumer": name, "lagThreshold": "1"} | trigger)
    return ScaledObject(
        name=name,
        target=name,
        minimum=minimum,
        maximum=maximum,
        polling_s=5,
        cooldown_s=60,
        behaviour=Behaviour(),
        triggers=(one,),
    )


def recogniser(*, slots: int = 1, cores: float = 1.0, start_s: float = 8.0, **options: int) -> ServiceSpec:
    """Return a recogniser that takes 0.25 s of CPU for a second of sound."""
    return ServiceSpec(
        name="asr", slots=slots, cores=cores, cpu_s=0.25, start_s=start_s, scaling=scaling("asr", **options)
    )


def late(specs: list[ServiceSpec], arrivals: list[float], seconds: float = 60.0, **options: object) -> list[float]:
    """Return by how much the answers were later than alone."""
    return [heard.first_audio_s - BASE_S for heard in run(specs, arrivals, seconds, **options).heard]


def run(specs: list[ServiceSpec], arrivals: list[float], seconds: float = 60.0, **options: object) -> Run:
    """Run utterances of two seconds."""
    conditions = options.pop("conditions", Conditions())
    fleet = Fleet(
        specs, conditions, utterances_s=[UTTERANCE_S], first_audio_s=[BASE_S], seed=options.pop("seed", 1), **options
    )
    return fleet.run(arrivals, seconds)


def test_nobody_waits_for_a_recogniser_that_is_free():
    """Answers of single utterances are as late as they were measured."""
    assert late([recogniser()], [0.0, 10.0]) == pytest.approx([0.0, 0.0])


def test_what_waits_for_less_than_it_is_spoken_is_caught_up_with():
    """Taken 1.5 s after its begin, an utterance of 2 s has to be decoded in 0.5 s, and is: it costs 0.5 s of CPU."""
    assert late([recogniser()], [0.0, 0.5]) == pytest.approx([0.0, 0.0])


def test_what_waits_for_longer_is_late_by_what_it_takes_to_decode_it():
    """Three at once and one slot: the second is taken when the first ends, at 2 s, and takes 0.5 s; the third 0.5 s more."""
    assert late([recogniser()], [0.0, 0.0, 0.0]) == pytest.approx([0.0, 0.5, 1.0])


def test_slots_without_cores_are_no_capacity():
    """Eight at once in one pod of one core need two cores: all of them are late, as they share it."""
    crowded = late([recogniser(slots=8, cores=1.0)], [0.0] * 8)
    assert max(crowded) >= 1.0
    assert max(late([recogniser(slots=8, cores=2.0)], [0.0] * 8)) == pytest.approx(0.0)


def test_a_service_behind_it_adds_its_queue():
    """Four that reach a service at one moment, which takes a second for each, wait for one another."""
    behind = ServiceSpec(name="nlu", slots=1, cores=1.0, cpu_s=1.0, start_s=1, scaling=scaling("nlu"))
    waits = late([recogniser(slots=8, cores=8.0), behind], [0.0] * 4)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(3.0, abs=1.5)


def test_a_pod_comes_after_the_autoscaler_the_image_and_its_start():
    """More than one pod's load is seen at a sync; the new one is ready 2 s, 20 s, its own start and a probe later."""
    specs = [recogniser(start_s=8.0, minimum=1, maximum=5)]
    points = run(specs, [second / 2 for second in range(240)], 120).points["asr"]
    decided = next(point.at for point in points if point.desired > 1)
    ready = next(point.at for point in points if point.ready > 1)
    assert 30.0 <= ready - decided <= 30.0 + 4.0 + 15.0
    slower = run([replace(specs[0], start_s=38.0)], [second / 2 for second in range(240)], 120).points["asr"]
    assert next(point.at for point in slower if point.ready > 1) - decided >= 60.0


def test_what_is_removed_finishes_what_it_has():
    """When the load is over the pods go, and every turn was heard."""
    behaviour = Behaviour(down=replace(Behaviour().down, stabilisation_s=0))
    spec = recogniser(minimum=1, maximum=5)
    spec = replace(spec, scaling=replace(spec.scaling, behaviour=behaviour))
    arrivals = [second / 2 for second in range(240)]
    found = run([spec], arrivals, 400)
    desired = [point.desired for point in found.points["asr"]]
    assert max(desired) > 1
    assert desired[-1] == 1
    assert len(found.heard) == len(arrivals)


def test_a_metric_is_as_old_as_its_scrape():
    """A trigger on what Prometheus scraped every two minutes knows nothing of the first ones."""
    fresh = scaling("asr", maximum=5)
    scraped = Trigger(type="prometheus", name="active", metadata={"query": "x", "threshold": "0.5"})
    old = replace(fresh, triggers=(scraped,))
    arrivals = [5 + second / 2 for second in range(400)]
    seen = {}
    for name, each in (("fresh", fresh), ("old", old)):
        points = run(
            [replace(recogniser(), scaling=each)], arrivals, 300, conditions=Conditions(scrape_s=120.0)
        ).points["asr"]
        seen[name] = next(point.at for point in points if point.desired > 1)
    assert seen["fresh"] < 30
    assert seen["old"] > 100


def scaled_by_cpu() -> ServiceSpec:
    """Return a service that has as many pods as half of its requested CPU asks for."""
    trigger = Trigger(type="cpu", name="", metadata={"value": "50"})
    wanted = replace(scaling("nlu", maximum=8), triggers=(trigger,))
    return ServiceSpec(name="nlu", slots=1, cores=1.0, cpu_s=0.3, start_s=1, scaling=wanted)


def test_cpu_scales_a_service_too():
    """At 90 % of what its pods request, of which half is wanted, there are more of them."""
    behind = scaled_by_cpu()
    points = run([recogniser(slots=50, cores=50.0), behind], [second / 3 for second in range(600)], 200).points["nlu"]
    assert max(point.desired for point in points) >= 2


def test_cpu_is_as_old_as_the_metrics_servers_figure():
    """With a metrics-server that looks every two minutes nothing is known of the CPU of the first ones."""
    behind = scaled_by_cpu()
    seen = {}
    for every_s in (15.0, 120.0):
        points = run(
            [recogniser(slots=50, cores=50.0), behind],
            [second / 3 for second in range(900)],
            300,
            conditions=Conditions(metrics_s=every_s),
        ).points["nlu"]
        seen[every_s] = next(point.at for point in points if point.desired > 1)
    assert seen[15.0] < 60
    assert 100 < seen[120.0] < 180


def test_the_same_seed_gives_the_same_run():
    """And another one another."""
    arrivals = [second / 3 for second in range(90)]
    behind = ServiceSpec(name="nlu", slots=1, cores=1.0, cpu_s=0.3, start_s=1, scaling=scaling("nlu"))
    first, again, other = (late([recogniser(), behind], arrivals, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_who_is_never_answered_counts_with_the_wait_so_far():
    """Utterances that still wait at the end are not forgotten."""
    waits = late([recogniser()], [0.0] * 100, seconds=20.0)
    assert len(waits) >= 90
    assert quantile(waits, 0.95) > 5


def test_a_figure_that_is_partly_from_before_a_pod_was_ready_does_not_count():
    """Of what metrics-server saw at 116 s in 15 s, that of a pod which became ready at 101 s is known, that of one from 102 s is not."""
    assert [measured(at, sampled_at=116.0, window_s=15.0) for at in (0.0, 101.0, 102.0, 120.0)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_turn_passes_one_service_of_a_stage():
    """Of four that come at once and need a second each in two skills, fewer wait, and for less, than in one skill of the same kind."""
    one = ServiceSpec(name="a", stage="skill", slots=1, cores=1.0, cpu_s=1.0, start_s=1, scaling=scaling("a"))
    other = replace(one, name="b", scaling=scaling("b"))
    first = recogniser(slots=20, cores=20.0)
    assert max(late([first, one, other], [0.0] * 20)) < 0.8 * max(late([first, one], [0.0] * 20))
    assert len(run([first, one, other], [0.0] * 20).heard) == 20


def test_a_pod_is_sure_of_what_it_requests_and_of_no_more_than_one_core_a_turn():
    """What it uses at rest is no turn's; a process of one turn uses one core, however much its pod requests."""
    spec = ServiceSpec(name="nlu", slots=1, cores=0.25, cpu_s=1.0, start_s=1, scaling=scaling("nlu"), idle_cores=0.05)
    assert spec.sure_cores == pytest.approx(0.2)
    assert replace(spec, cores=4.0).sure_cores == pytest.approx(0.95)
    assert replace(spec, cores=4.0, slots=8).sure_cores == pytest.approx(3.95)
