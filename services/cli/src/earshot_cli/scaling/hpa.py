"""The HorizontalPodAutoscaler's algorithm as Kubernetes publishes it (autoscaling/v2), without a cluster.

    each metric ► a proposal   the largest counts; one that can't be read forbids to scale down
                ► stabilised   from what there is, up to the lowest of the upward window's proposals, and
                               down to the highest of the downward window's
                ► limited      by the policies of the direction, from what there was when their periods began
                ► within minimum and maximum

A proposal from an external metric (KEDA's are) does not know which pods are ready; one from CPU does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

SYNC_S = 15.0
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much may change within a period."""

    type: Literal["Pods", "Percent"]
    value: int
    period_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds in one direction."""

    stabilisation_s: float
    policies: tuple[Policy, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Both directions; the defaults are Kubernetes' own."""

    up: Rules = field(
        default_factory=lambda: Rules(
            stabilisation_s=0,
            policies=(
                Policy(type="Percent", value=100, period_s=15),
                Policy(type="Pods", value=4, period_s=15),
            ),
        )
    )
    down: Rules = field(
        default_factory=lambda: Rules(stabilisation_s=300, policies=(Policy(type="Percent", value=100, period_s=15),))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as the metrics server sees it.

    Attributes:
        usage: CPU in use, cores; None where there is no figure yet.
        request: CPU requested, cores.
        ready: Whether it is, and its figure is from after it became so.
    """

    usage: float | None
    request: float
    ready: bool = True


def by_ratio(current: int, value: float, target: float, tolerance: float = TOLERANCE) -> int:
    """Return the proposal of the basic formula: current replicas times value over target, rounded up."""
    ratio = value / target
    return current if abs(1 - ratio) <= tolerance else math.ceil(current * ratio)


def by_average(total: float, target: float, replicas: int, tolerance: float = TOLERANCE) -> int:
    """Return the proposal of an external metric whose target is an average per pod, as KEDA's are."""
    if replicas and abs(1 - total / (target * replicas)) <= tolerance:
        return replicas
    return math.ceil(total / target)


def by_utilisation(pods: Sequence[Pod], target: float, current: int, tolerance: float = TOLERANCE) -> int | None:
    """Return the proposal of a resource's utilisation, or None when no ready pod has a figure.

    Pods that are not ready yet, and those without a figure, are set aside; then they dampen the change: they count as idle
    where more pods would be wanted, and those without a figure as busy with all that they request where fewer would be, or to the
    target if that is more.

    Args:
        pods: All of them.
        target: Usage over request.
        current: Replicas at the moment.
        tolerance: Closer to the target than this share nothing is changed.
    """
    measured = [pod for pod in pods if pod.ready and pod.usage is not None]
    missing = [pod for pod in pods if pod.usage is None]
    unready = [pod for pod in pods if not pod.ready and pod.usage is not None]
    if not measured:
        return None
    used = sum(pod.usage or 0.0 for pod in measured)
    ratio = used / sum(pod.request for pod in measured) / target
    rebalance = bool(unready) and ratio > 1
    if not rebalance and not missing:
        return current if abs(1 - ratio) <= tolerance else math.ceil(ratio * len(measured))
    counted = [*measured, *missing, *(unready if rebalance else [])]
    if ratio < 1:
        used += sum(pod.request for pod in missing) * max(1.0, target)
    again = used / sum(pod.request for pod in counted) / target
    if abs(1 - again) <= tolerance or (ratio < 1) != (again < 1):
        return current
    wanted = math.ceil(again * len(counted))
    reversed_ = (again < 1 and wanted > current) or (again > 1 and wanted < current)
    return current if reversed_ else wanted


class Autoscaler:
    """One HorizontalPodAutoscaler: what it remembers between its syncs."""

    def __init__(self, *, minimum: int, maximum: int, behaviour: Behaviour) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._behaviour = behaviour
        self._proposals: list[tuple[float, int]] = []
        self._changes: list[tuple[float, int]] = []

    def sync(self, now: float, current: int, proposals: Sequence[int | None]) -> int:
        """Return how many replicas there are to be.

        Args:
            now: Seconds.
            current: Replicas at the moment.
            proposals: Of each metric; None for one that could not be read.
        """
        if current == 0:
            return 0
        if current > self._maximum:
            return self._changed(now, current, self._maximum)
        if current < self._minimum:
            return self._changed(now, current, self._minimum)
        read = [proposal for proposal in proposals if proposal is not None]
        if not read or (len(read) < len(proposals) and max(read) < current):
            return current
        wanted = self._stabilised(now, current, max(read))
        return self._changed(now, current, self._limited(now, current, wanted))

    def _stabilised(self, now: float, current: int, wanted: int) -> int:
        up, down = (rules.stabilisation_s for rules in (self._behaviour.up, self._behaviour.down))
        lowest = min([wanted, *(proposal for at, proposal in self._proposals if at > now - up)])
        highest = max([wanted, *(proposal for at, proposal in self._proposals if at > now - down)])
        self._proposals = [(at, proposal) for at, proposal in self._proposals if at >= now - max(up, down)]
        self._proposals.append((now, wanted))
        # From what there is: a proposal that the policies never let come true takes nothing to where it pointed.
        return min(max(current, lowest), highest)

    def _limited(self, now: float, current: int, wanted: int) -> int:
        if wanted > current:
            most = max(current, self._most(now, current))
            return min(wanted, self._maximum, most)
        if wanted < current:
            least = min(current, self._least(now, current))
            return max(wanted, self._minimum, least)
        return wanted

    def _most(self, now: float, current: int) -> int:
        rules = self._behaviour.up
        if rules.select == "Disabled":
            return current
        allowed = []
        for policy in rules.policies:
            start = self._before(now - policy.period_s, current)
            more = start + policy.value if policy.type == "Pods" else math.ceil(start * (1 + policy.value / 100))
            allowed.append(more)
        return min(allowed) if rules.select == "Min" else max(allowed)

    def _least(self, now: float, current: int) -> int:
        rules = self._behaviour.down
        if rules.select == "Disabled":
            return current
        allowed = []
        for policy in rules.policies:
            start = self._before(now - policy.period_s, current)
            fewer = start - policy.value if policy.type == "Pods" else int(start * (1 - policy.value / 100))
            allowed.append(fewer)
        return max(allowed) if rules.select == "Min" else min(allowed)

    def _before(self, cutoff: float, current: int) -> int:
        """Return how many there were when a period began, by what was added and taken away since."""
        return current - sum(change for at, change in self._changes if at > cutoff)

    def _changed(self, now: float, current: int, wanted: int) -> int:
        if wanted != current:
            self._changes.append((now, wanted - current))
        return wanted
