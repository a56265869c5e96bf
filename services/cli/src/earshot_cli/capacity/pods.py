"""Pods of each service: what its autoscaler asks for, what its CPU needs, what always stands ready, and what is allowed.

How many there are, the autoscaler decides. Its triggers are those of the manifests: messages that a consumer has in hand, over
those that a pod may have; utterances that pods own, likewise; CPU in use, over a share of what a pod requests. Messages pile up
where pods have no CPU left, so that there are in the end no fewer than their CPU needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from earshot_cli.capacity.assumptions import Assumptions
from earshot_cli.capacity.bounds import Bound
from earshot_cli.capacity.deployed import Deployed
from earshot_cli.capacity.figures import ASR, Figures
from earshot_cli.capacity.handled import SCHEDULER, SKILL
from earshot_cli.capacity.in_hand import in_hand
from earshot_cli.capacity.sure import pods_by_cpu, sure_cores
from earshot_cli.scaling.scaledobjects import Trigger
from earshot_topology import streams

# What a metric of ours counts, by the consumer whose messages it counts.
METRICS: Final = {"earshot_asr_active_utterances": streams.ASR_STARTED.durable}
# Of a pod that uses at rest what its trigger aims at; it is never below that.
_LEAST_CORES: Final = 1e-3


class Load(Protocol):
    """A fleet, as far as it keeps pods busy."""

    @property
    def devices(self) -> int:
        """How many there are."""

    @property
    def mean_turns_per_s(self) -> float:
        """Turns a second, over a day."""

    @property
    def peak_turns_per_s(self) -> float:
        """Turns a second, at the busiest moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNeed:
    """Pods of one service, in the whole fleet.

    Attributes:
        service: Its name.
        cores: CPU that the busiest moment uses, and what its pods use in any case.
        pod_cores: CPU that a pod requests.
        pod_mib: Memory of a pod.
        mean: Pods that the day's mean needs.
        peak: Pods that the busiest moment needs.
        decided_by: What their number follows from: a trigger of its autoscaler, the CPU that they use, utterances that a pod can have, or
            those that always stand ready.
        modelled: Whether it is known what its pods cost and what all of its triggers count.
        standing: Pods that have to stand ready at any time.
        least: Pods that do, by the manifests.
        allowed: Pods that there may be, by the manifests.
        least_field: The field of a manifest that says `least`, of each cell.
        allowed_field: The one that says `allowed`, likewise.
        source: Where that is written.
    """

    service: str
    cores: float
    pod_cores: float
    pod_mib: float
    mean: int
    peak: int
    decided_by: str
    modelled: bool
    standing: int
    least: int
    allowed: int
    least_field: str
    allowed_field: str
    source: str

    @property
    def exceeds(self) -> bool:
        """Whether more pods are needed than the manifests allow."""
        return self.peak > self.allowed


def needs(
    fleet: Load, figures: Figures, assumed: Assumptions, deployed: Sequence[Deployed], cells: int
) -> Iterator[ServiceNeed]:
    """Yield what each service needs in a fleet that is split over cells, each with pods of its own."""
    for each in deployed:
        service = _Service(each, deployed, figures, assumed)
        at_mean = service.pods(fleet.mean_turns_per_s / cells, 0.0)
        alarms = fleet.devices * assumed.alarms_at_once / cells
        at_peak = service.pods(fleet.peak_turns_per_s / cells, alarms)
        standing = max(each.scaling.minimum, math.ceil(at_peak.by_cpu * assumed.standing))
        peak = cells * max(standing, at_peak.wanted)
        yield ServiceNeed(
            service=each.name,
            cores=at_peak.cores * cells + peak * service.idle_cores,
            pod_cores=each.pod.cores,
            pod_mib=service.memory_mib,
            mean=cells * max(standing, at_mean.wanted),
            peak=peak,
            decided_by=at_peak.reason if at_peak.wanted >= standing else "always ready",
            modelled=service.modelled,
            standing=cells * standing,
            least=cells * each.scaling.minimum,
            allowed=cells * each.scaling.maximum,
            least_field=each.scaling.minimum_field,
            allowed_field=each.scaling.maximum_field,
            source=each.source,
        )


def bounds(fleet: Load, figures: Figures, assumed: Assumptions, deployed: Sequence[Deployed]) -> Iterator[Bound]:
    """Yield how many pods one cell with the whole fleet would need of each service, and how many the manifests allow."""
    for each in deployed:
        service = _Service(each, deployed, figures, assumed)
        yield Bound(
            of=each.name,
            name=f"{each.name}: pods",
            kind=f"no more pods are started ({each.scaling.maximum_field})",
            used=service.pods(fleet.peak_turns_per_s, fleet.devices * assumed.alarms_at_once).wanted,
            limit=float(each.scaling.maximum),
            remedy="manifest",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pods:
    """Pods of one cell: what their CPU needs, and what there are for any reason, one or more of them to spare."""

    cores: float
    by_cpu: float
    wanted: int
    reason: str


class _Service:
    """One service under any load."""

    def __init__(self, each: Deployed, deployed: Sequence[Deployed], figures: Figures, assumed: Assumptions) -> None:
        self._each, self._figures, self._assumed = each, figures, assumed
        self._measured = figures.services.get(SKILL if each.skill else each.name)
        # Of the turns, skills share what one of them handles.
        skills = sum(other.skill for other in deployed) if each.skill else 1
        share = assumed.skill_skew / skills if each.skill else 1.0
        share *= assumed.timers if each.name == SCHEDULER else 1.0
        cost = self._measured.cpu_s_per_turn if self._measured else 0.0
        if each.name == ASR:
            cost = figures.asr_cpu_s_per_audio_s * figures.utterance_s
        self._cores_per_turn = cost * share * assumed.retries / assumed.machine
        self._sure = sure_cores(each.pod.cores, self.idle_cores, each.slots if each.name == ASR else 1)

    @property
    def idle_cores(self) -> float:
        """CPU that a pod uses when nobody speaks."""
        return self._measured.idle_cores / self._assumed.machine if self._measured else 0.0

    @property
    def memory_mib(self) -> float:
        """Memory of a pod: as it was measured, else what it requests."""
        return self._measured.memory_mib if self._measured else self._each.pod.memory_mib

    @property
    def modelled(self) -> bool:
        """Whether its cost was measured and every trigger can be answered."""
        counted = all(
            trigger.type == "cpu" or self._counts(trigger) is not None for trigger in self._each.scaling.triggers
        )
        return self._measured is not None and counted

    def pods(self, turns_per_s: float, alarms: float) -> _Pods:
        """Return what some turns a second take, and alarms of one moment."""
        cores = turns_per_s * self._cores_per_turn
        messages = in_hand(turns_per_s, alarms, self._figures, self._assumed)
        by_cpu = pods_by_cpu(cores, self._sure, self._assumed.busy)
        asked = {"cores in use": by_cpu}
        for trigger in self._each.scaling.triggers:
            if trigger.type == "cpu":
                # What its pods use in any case is in use as well.
                left = self._each.pod.cores * trigger.target - self.idle_cores
                asked[f"CPU {trigger.target:.0%} of {self._each.pod.cores:g}"] = cores / max(left, _LEAST_CORES)
            elif (counted := self._counts(trigger)) is not None:
                asked[f"{trigger.name or trigger.type} {trigger.target:g}"] = messages[counted] / trigger.target
        if self._each.name == ASR:
            # However many its trigger lets it have: more are taken by nobody.
            asked[f"slots {self._each.slots}"] = messages[streams.ASR_STARTED.durable] / self._each.slots
        reason = max(asked, key=lambda name: asked[name])
        spare = math.ceil(self._assumed.spare_pods)
        return _Pods(
            cores=cores,
            by_cpu=by_cpu,
            wanted=math.ceil(asked[reason]) + spare,
            reason=reason,
        )

    def _counts(self, trigger: Trigger) -> str | None:
        """Return the consumer whose messages a trigger counts; none: it is not known what it counts."""
        if trigger.type == "nats-jetstream":
            consumer = trigger.metadata.get("consumer", "")
            return consumer if consumer in in_hand(0.0, 0.0, self._figures, self._assumed) else None
        query = trigger.metadata.get("query", "")
        return next((counted for metric, counted in METRICS.items() if metric in query), None)
