"""What the cluster shows of a skill, read from objects as the API server gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from earshot_operator.core.objects import REVISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod that is not on its way out.

    Attributes:
        name: Also the instance in the registry.
        address: Empty until it has one.
        image: What it runs.
        revision: Of its template.
        ready: Whether Kubernetes says so.
        trouble: Why its container does not run: "ImagePullBackOff: …"; empty if it does.
    """

    name: str
    address: str
    image: str
    revision: str
    ready: bool
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How far a Deployment is.

    Attributes:
        wanted: Replicas that there are to be.
        updated: Replicas of the newest template.
        total: All of them.
        available: Those that serve.
        seen: Whether the controller has seen the newest spec.
        late: Whether it has given up waiting.
    """

    wanted: int
    updated: int
    total: int
    available: int
    seen: bool
    late: bool

    @property
    def replaced(self) -> bool:
        """Whether every replica is of the newest template."""
        return self.seen and self.updated == self.total == self.wanted

    @property
    def done(self) -> bool:
        """Whether every replica is of the newest template and serves."""
        return self.replaced and self.available == self.wanted


def read_pods(pods: Iterable[Mapping[str, Any]]) -> tuple[Pod, ...]:
    """Read pods, ordered by name."""
    found = []
    for pod in pods:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        status = pod.get("status", {})
        conditions = status.get("conditions", [])
        found.append(
            Pod(
                name=pod["metadata"]["name"],
                address=status.get("podIP", "") if status.get("phase") == "Running" else "",
                image=pod["spec"]["containers"][0]["image"],
                revision=pod["metadata"].get("labels", {}).get(REVISION, ""),
                ready=any((each["type"], each["status"]) == ("Ready", "True") for each in conditions),
                trouble=_trouble(status),
            )
        )
    return tuple(sorted(found, key=lambda pod: pod.name))


def _trouble(status: Mapping[str, Any]) -> str:
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in {"ContainerCreating", "PodInitializing"}:
            return f"{waiting.get('reason', 'Waiting')}: {waiting.get('message', '')}".rstrip(": ")
    return ""


def read_rollout(deployment: Mapping[str, Any] | None) -> Rollout:
    """Read a Deployment; one that is not there has not begun."""
    if deployment is None:
        return Rollout(wanted=1, updated=0, total=0, available=0, seen=False, late=False)
    status, spec = deployment.get("status", {}), deployment["spec"]
    late = any(
        (each["type"], each["status"], each.get("reason")) == ("Progressing", "False", "ProgressDeadlineExceeded")
        for each in status.get("conditions", [])
    )
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return Rollout(
        wanted=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        total=status.get("replicas", 0),
        available=status.get("availableReplicas", 0),
        seen=seen,
        late=late and seen,
    )
