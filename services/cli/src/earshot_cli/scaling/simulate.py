"""Puts a simulation together from measured figures and deploy/base, and judges what was heard in it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from earshot_cli.capacity.assumptions import Assumptions
from earshot_cli.capacity.deployed import DEFAULT_SLOTS, SLOTS
from earshot_cli.capacity.figures import ASR, PATH, Figures
from earshot_cli.capacity.in_hand import held_s
from earshot_cli.capacity.sure import pods_by_cpu
from earshot_cli.errors import BadArgumentError
from earshot_cli.scaling import load
from earshot_cli.scaling.fleet import Conditions, Fleet, Heard, Run, ServiceSpec
from earshot_cli.scaling.scaledobjects import PodShape, ScaledObject

_SKILL = "skill"
_SKILL_FOLDER = "skill-"
LIMIT_S = 2.0
_WINDOW_S = 30.0
_WINDOW_TURNS = 20

Described = Mapping[str, tuple[ScaledObject, PodShape]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A burst.

    Attributes:
        base: Turns a second before it.
        factor: How many times as many come at its height.
        within_s: How fast it comes.
        lasts_s: How long it stays.
        begins_s: Quiet before it.
        after_s: Quiet behind it.
        seed: Of everything that is drawn.
        recorded: When utterances began, instead of what is drawn.
    """

    base: float = 2.0
    factor: float = 10.0
    within_s: float = 60.0
    lasts_s: float = 300.0
    begins_s: float = 300.0
    after_s: float = 600.0
    seed: int = 1
    recorded: tuple[float, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it is altogether."""
        return self.begins_s + 2 * self.within_s + self.lasts_s + self.after_s

    def arrivals(self) -> list[float]:
        """Draw when people begin to speak, or return when they did."""
        if self.recorded:
            return list(self.recorded)
        rate = load.burst(
            base=self.base,
            factor=self.factor,
            begins_s=self.begins_s,
            within_s=self.within_s,
            lasts_s=self.lasts_s,
        )
        return load.arrivals(rate, self.seconds, highest=self.base * self.factor, seed=self.seed)


def of_recording(times: Sequence[float], seed: int = 1) -> Scenario:
    """Return a recording as a burst: all of it, from its first half minute's rate to that of its busiest one.

    Args:
        times: When utterances began, in order, from nought.
        seed: Of what is drawn beside them.
    """
    base = bisect_left(times, _WINDOW_S) / _WINDOW_S
    busiest = max(bisect_left(times, at + _WINDOW_S) - index for index, at in enumerate(times)) / _WINDOW_S
    return Scenario(
        base=base,
        factor=busiest / base,
        within_s=0.0,
        lasts_s=times[-1] + 1.0,
        begins_s=0.0,
        after_s=60.0,
        seed=seed,
        recorded=tuple(times),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """What stood ready when a burst began, and what it came to need: by its CPU, as `earshot capacity` works it out."""

    service: str
    ready: int
    needed_before: float
    needed_at_peak: float
    peak: int

    @property
    def spare(self) -> float:
        """Pods beyond those that the load before the burst keeps busy."""
        return self.ready - self.needed_before

    @property
    def factor(self) -> float:
        """How many times the load before the burst could be carried by what stood ready."""
        return self.ready / self.needed_before if self.needed_before else math.inf

    @property
    def standing(self) -> float:
        """Share of the pods for the peak's CPU that stood ready."""
        return self.ready / self.needed_at_peak if self.needed_at_peak else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a run sounded.

    Attributes:
        p50_s: Median time to first audio while the burst lasted.
        p95_s: Its 95th percentile.
        worst_p95_s: The 95th percentile of the worst half minute of it.
        worst_at_s: When that began, from the burst's begin.
        turns: Turns that began in it.
        judged: Half minutes that could be judged: in each at least 20 turns began.
        late: How many of them were heard later than the limit.
    """

    p50_s: float
    p95_s: float
    worst_p95_s: float
    worst_at_s: float
    turns: int
    judged: int
    late: int

    @property
    def holds(self) -> bool:
        """Whether the 95th percentile of every half minute that was judged was within the limit; of the whole burst, if none was."""
        return self.worst_p95_s <= LIMIT_S


def services(figures: Figures, described: Described, assumed: Assumptions | None = None) -> list[ServiceSpec]:
    """Return the services of the path as deploy/base has them and as they were measured; every skill, of which a turn passes one.

    Raises:
        BadArgumentError: One is neither described nor measured (code `service_unknown`).
    """
    assumed = assumed or Assumptions()
    found = []
    for name in PATH:
        folders = [each for each in described if each.startswith(_SKILL_FOLDER)] if name == _SKILL else [name]
        if not folders or not described.keys() >= set(folders) or name not in figures.services:
            raise BadArgumentError(f"{name}: not among the figures and deploy/base's folders", code="service_unknown")
        found += [_service(folder, name, figures, *described[folder], assumed) for folder in folders]
    return found


def _service(
    folder: str, stage: str, figures: Figures, scaling: ScaledObject, pod: PodShape, assumed: Assumptions
) -> ServiceSpec:
    measured = figures.services[stage]
    recogniser = stage == ASR
    cost = figures.asr_cpu_s_per_audio_s if recogniser else max(measured.cpu_s_per_turn, 1e-4)
    spec = ServiceSpec(
        name=folder,
        stage=stage,
        slots=int(pod.environment.get(SLOTS, DEFAULT_SLOTS)) if recogniser else 1,
        cores=pod.cores,
        idle_cores=measured.idle_cores / assumed.machine,
        # Of some turns all is done twice.
        cpu_s=cost * assumed.retries / assumed.machine,
        start_s=measured.start_s,
        scaling=scaling,
    )
    # In whose hands a turn is while it is computed, the simulation knows.
    computed_s = figures.utterance_s if recogniser else spec.cpu_s / spec.sure_cores
    return replace(spec, hold_s=max(0.0, held_s(figures, assumed).get(stage, 0.0) - computed_s))


def with_minimum(specs: Sequence[ServiceSpec], name: str, minimum: int) -> list[ServiceSpec]:
    """Return services of which one has another minimum."""
    return [
        replace(spec, scaling=replace(spec.scaling, minimum=minimum, maximum=max(minimum, spec.scaling.maximum)))
        if spec.name == name
        else spec
        for spec in specs
    ]


def simulate(
    specs: Sequence[ServiceSpec],
    figures: Figures,
    arrivals: Sequence[float],
    seconds: float,
    *,
    conditions: Conditions | None = None,
    seed: int = 1,
) -> Run:
    """Run a load through the services."""
    fleet = Fleet(
        specs,
        conditions or Conditions(),
        utterances_s=[figures.utterance_s * share for share in (0.7, 0.85, 1.0, 1.15, 1.3)],
        first_audio_s=figures.first_audio_s,
        seed=seed,
    )
    return fleet.run(arrivals, seconds)


def verdict(heard: Sequence[Heard], begins_s: float, ends_s: float) -> Verdict:
    """Judge what was heard of the turns that began within a time.

    Raises:
        BadArgumentError: None did (code `nobody_spoke`).
    """
    within = [turn for turn in heard if begins_s <= turn.began < ends_s]
    if not within:
        raise BadArgumentError("nobody spoke while the burst lasted", code="nobody_spoke")
    worst, worst_at, judged = 0.0, begins_s, 0
    at = begins_s
    while at < ends_s:
        window = [turn.first_audio_s for turn in within if at <= turn.began < at + _WINDOW_S]
        if len(window) >= _WINDOW_TURNS:
            judged += 1
            if (found := quantile(window, 0.95)) > worst:
                worst, worst_at = found, at
        at += _WINDOW_S / 2
    times = [turn.first_audio_s for turn in within]
    return Verdict(
        p50_s=quantile(times, 0.5),
        p95_s=quantile(times, 0.95),
        worst_p95_s=worst or quantile(times, 0.95),
        worst_at_s=worst_at - begins_s,
        turns=len(within),
        judged=judged,
        late=sum(each > LIMIT_S for each in times),
    )


def judge(run: Run, scenario: Scenario) -> Verdict:
    """Judge a burst: from its begin until it has gone."""
    return verdict(run.heard, scenario.begins_s, scenario.begins_s + 2 * scenario.within_s + scenario.lasts_s)


def headroom(
    run: Run, specs: Sequence[ServiceSpec], figures: Figures, scenario: Scenario, assumed: Assumptions | None = None
) -> list[Headroom]:
    """Return what stood ready when the burst began."""
    busy = (assumed or Assumptions()).busy
    found = []
    for spec in specs:
        points = run.points[spec.name]
        before = [point for point in points if point.at <= scenario.begins_s]
        among = sum(other.stage == spec.stage for other in specs)
        cores = spec.cpu_s * (figures.utterance_s if spec.name == ASR else 1.0) / among
        load_each = pods_by_cpu(cores, spec.sure_cores, busy)
        found.append(
            Headroom(
                service=spec.name,
                ready=before[-1].ready if before else spec.scaling.minimum,
                needed_before=scenario.base * load_each,
                needed_at_peak=scenario.base * scenario.factor * load_each,
                peak=max(point.ready for point in points),
            )
        )
    return found


def smallest_minimum(
    specs: Sequence[ServiceSpec], figures: Figures, scenarios: Sequence[Scenario], name: str, candidates: Sequence[int]
) -> list[tuple[int, list[Verdict]]]:
    """Try minima of one service, the same for several bursts; return what each came to."""
    found = []
    for minimum in candidates:
        tried = with_minimum(specs, name, minimum)
        found.append(
            (
                minimum,
                [
                    judge(simulate(tried, figures, each.arrivals(), each.seconds, seed=each.seed), each)
                    for each in scenarios
                ],
            )
        )
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def mean(values: Sequence[float]) -> float:
    """Return the mean; nought of none."""
    return fmean(values) if values else 0.0
