"""Deployments, pods and Skills as people ask for them: what runs where, which version, how far the rollout is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Object = Mapping[str, Any]
NAME = "app.kubernetes.io/name"
SELECTOR = "app.kubernetes.io/part-of=earshot"
# Of our own component, and of the official chart.
BUS_SELECTOR = "app.kubernetes.io/name=nats"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFact:
    """One pod: where it is and how it is."""

    name: str
    node: str
    image: str
    ready: bool
    restarts: int
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One service.

    Attributes:
        name: Of its Deployment or StatefulSet.
        version: The tag or digest of the image that it is to run.
        versions: Replicas that are ready, by version.
        wanted: Replicas that there are to be.
        ready: Those that serve.
        state: "done", "rolling" or "stuck".
        why: What a rollout that is not done waits for.
        pods: Its pods, by name.
    """

    name: str
    version: str
    versions: Mapping[str, int]
    wanted: int
    ready: int
    state: str
    why: str
    pods: tuple[PodFact, ...]

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillFact:
    """One Skill, as its operator says it is."""

    name: str
    version: str
    ready: int
    available: str
    progress: str
    degraded: str
    message: str

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def version_of(image: str) -> str:
    """Return an image's tag, or the beginning of its digest; "latest" where it has neither."""
    name, at, digest = image.partition("@")
    if at:
        return digest.removeprefix("sha256:")[:12]
    last = name.rsplit("/", 1)[-1]
    return last.partition(":")[2] or "latest"


def bus_replicas(config: Object | None) -> int | None:
    """Return how many copies the ConfigMap "bus" wants of everything; None if it does not say."""
    said = str(((config or {}).get("data") or {}).get("replicas", ""))
    return int(said) if said.isdigit() else None


def bus_account(config: Object | None) -> str:
    """Return whose account on the bus holds the streams, as the ConfigMap "bus-trust" says; empty if it does not."""
    return str(((config or {}).get("data") or {}).get("account", ""))


def workloads(owners: Iterable[Object], pods: Iterable[Object]) -> list[Workload]:
    """Return Deployments and StatefulSets with their pods, by name."""
    found = list(pods)
    return sorted((_workload(owner, found) for owner in owners), key=lambda each: each.name)


def skills(found: Iterable[Object]) -> list[SkillFact]:
    """Return Skills, by name."""
    return sorted((_skill(each) for each in found), key=lambda each: each.name)


def _workload(owner: Object, pods: list[Object]) -> Workload:
    spec, status = owner["spec"], owner.get("status", {})
    labels = spec["selector"].get("matchLabels", {})
    mine = tuple(
        _pod(pod)
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
        if labels.items() <= (pod["metadata"].get("labels") or {}).items()
    )
    versions: dict[str, int] = {}
    for pod in mine:
        if pod.ready:
            versions[version_of(pod.image)] = versions.get(version_of(pod.image), 0) + 1
    state, why = _rollout(owner, mine)
    return Workload(
        name=owner["metadata"]["name"],
        version=version_of(spec["template"]["spec"]["containers"][0]["image"]),
        versions=versions,
        wanted=spec.get("replicas", 1),
        ready=status.get("readyReplicas", 0),
        state=state,
        why=why,
        pods=mine,
    )


def _rollout(owner: Object, pods: tuple[PodFact, ...]) -> tuple[str, str]:
    spec, status = owner["spec"], owner.get("status", {})
    wanted = spec.get("replicas", 1)
    trouble = next((f"{pod.name}: {pod.trouble}" for pod in pods if pod.trouble), "")
    for condition in status.get("conditions", []):
        if (condition["type"], condition["status"]) == ("Progressing", "False"):
            return "stuck", trouble or str(condition.get("reason", ""))
    if status.get("observedGeneration", 0) < owner["metadata"].get("generation", 0):
        return "rolling", "the controller has not seen it yet"
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if updated < wanted:
        return "rolling", trouble or f"{updated} of {wanted} updated"
    if ready < wanted or status.get("replicas", 0) > wanted:
        return "rolling", trouble or f"{ready} of {wanted} ready"
    return "done", ""


def _pod(pod: Object) -> PodFact:
    status = pod.get("status", {})
    container: Object = next(iter(status.get("containerStatuses", [])), {})
    waiting = container.get("state", {}).get("waiting") or {}
    return PodFact(
        name=pod["metadata"]["name"],
        node=pod["spec"].get("nodeName", ""),
        image=pod["spec"]["containers"][0]["image"],
        ready=any((each["type"], each["status"]) == ("Ready", "True") for each in status.get("conditions", [])),
        restarts=container.get("restartCount", 0),
        trouble=": ".join(filter(None, (waiting.get("reason", ""), waiting.get("message", "")))),
    )


def _skill(content: Object) -> SkillFact:
    status = content.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", [])}

    def said(type_: str, field: str) -> str:
        return str(conditions.get(type_, {}).get(field, "Unknown"))

    degraded = said("Degraded", "status") == "True"
    return SkillFact(
        name=content["metadata"]["name"],
        version=status.get("version", ""),
        ready=status.get("ready", 0),
        available=said("Available", "status"),
        progress=said("Progressing", "reason"),
        degraded=said("Degraded", "reason") if degraded else "",
        message=said("Degraded" if degraded else "Available", "message"),
    )
