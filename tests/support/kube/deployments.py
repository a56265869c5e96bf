"""What a controller manager does with Deployments: ReplicaSets, their pods, a rolling update, the status.

One pass over everything after each change. A pod counts as available when it has been ready for minReadySeconds. Progress is
timed by progressDeadlineSeconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from typing import Any

from support.kube.asking import now
from support.kube.nodes import ready
from support.kube.server import ApiServer
from support.kube.store import Object, copied

_APPS = "apps/v1"
_TICK_S = 0.1
# What `kubectl rollout undo` goes by: the newest has the highest.
_REVISION = "deployment.kubernetes.io/revision"


class Deployments:
    """The controller of one server."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._progress: dict[str, tuple[Any, float]] = {}
        # Since when which pod is ready.
        self._ready: dict[str, float] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            changed = self._server.store.changed
            for deployment in self._server.listed(_APPS, "Deployment"):
                if "deletionTimestamp" not in deployment["metadata"]:
                    self._sync(deployment, loop.time())
            for replica_set in self._server.listed(_APPS, "ReplicaSet"):
                self._fill(replica_set)
            try:
                async with asyncio.timeout(_TICK_S):
                    await changed.wait()
            except TimeoutError:
                continue

    def _sync(self, deployment: Object, time: float) -> None:
        template = deployment["spec"]["template"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        sets = _owned(self._server.listed(_APPS, "ReplicaSet", _namespace(deployment)), deployment)
        current = next((each for each in sets if each["metadata"]["labels"]["pod-template-hash"] == digest), None)
        newest = max((_revision(each) for each in sets if each is not current), default=0)
        if current is None:
            self._make_set(deployment, digest, newest + 1)
            return
        least = deployment["spec"].get("minReadySeconds", 0)
        if current["spec"].get("minReadySeconds", 0) != least:
            # Of the newest alone: those before it go on by what they were made with.
            current["spec"]["minReadySeconds"] = least
            self._put(current)
        if _revision(current) < newest:
            current["metadata"]["annotations"][_REVISION] = str(newest + 1)
            self._put(current)
        others = [each for each in sets if each is not current]
        self._roll(deployment, current, others)
        self._report(deployment, current, others, time)

    def _make_set(self, deployment: Object, digest: str, revision: int) -> None:
        template = copied(deployment["spec"]["template"])
        labels = template["metadata"].setdefault("labels", {})
        labels["pod-template-hash"] = digest
        self._server.create(
            {
                "apiVersion": _APPS,
                "kind": "ReplicaSet",
                "metadata": {
                    "name": f"{deployment['metadata']['name']}-{digest}",
                    "namespace": _namespace(deployment),
                    "labels": dict(labels),
                    "annotations": {_REVISION: str(revision)},
                    "ownerReferences": [_reference(deployment)],
                },
                "spec": {
                    "replicas": 0,
                    "minReadySeconds": deployment["spec"].get("minReadySeconds", 0),
                    "selector": {"matchLabels": dict(labels)},
                    "template": template,
                },
            }
        )

    def _roll(self, deployment: Object, current: Object, others: list[Object]) -> None:
        spec = deployment["spec"]
        wanted = spec["replicas"]
        limits = spec.get("strategy", {}).get("rollingUpdate", {})
        surge = _share(limits.get("maxSurge", "25%"), wanted, up=True)
        unavailable = _share(limits.get("maxUnavailable", "25%"), wanted, up=False)
        there = sum(each["spec"]["replicas"] for each in others)
        self._scale(current, min(wanted, max(wanted + surge - there, 0)) if there else wanted)
        # First what is not available anyway, then what may be missed.
        spare = self._available(current) + sum(map(self._available, others)) - (wanted - unavailable)
        for each in others:
            ready = self._available(each)
            stop = min(ready, max(0, spare))
            spare -= stop
            self._scale(each, ready - stop)

    def _scale(self, replica_set: Object, replicas: int) -> None:
        if replica_set["spec"]["replicas"] == replicas:
            return
        replica_set["spec"]["replicas"] = replicas
        self._put(replica_set)

    def _put(self, replica_set: Object) -> None:
        key = next(
            key
            for key, content in self._server.store.of(self._server.kinds.named(_APPS, "ReplicaSet"))
            if content["metadata"]["uid"] == replica_set["metadata"]["uid"]
        )
        self._server.store.put(key, copied(replica_set))

    def _pods(self, replica_set: Object) -> list[Object]:
        pods = _owned(self._server.listed("v1", "Pod", _namespace(replica_set)), replica_set)
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def _available(self, replica_set: Object) -> int:
        time, available = asyncio.get_running_loop().time(), 0
        for pod in self._pods(replica_set):
            if ready(pod):
                since = self._ready.setdefault(pod["metadata"]["uid"], time)
                available += time - since >= replica_set["spec"].get("minReadySeconds", 0)
            else:
                self._ready.pop(pod["metadata"]["uid"], None)
        return available

    def _fill(self, replica_set: Object) -> None:
        pods = self._pods(replica_set)
        wanted = replica_set["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            template = copied(replica_set["spec"]["template"])
            self._server.create(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {
                        "generateName": f"{replica_set['metadata']['name']}-",
                        "namespace": _namespace(replica_set),
                        "labels": template["metadata"].get("labels", {}),
                        "annotations": template["metadata"].get("annotations", {}),
                        "ownerReferences": [_reference(replica_set)],
                    },
                    "spec": template["spec"],
                }
            )
        for pod in sorted(pods, key=ready)[: max(0, len(pods) - wanted)]:
            self._end(pod)

    def _end(self, pod: Object) -> None:
        if "Pod" not in self._server.store.graceful:
            self._server.remove(pod)
            return
        pod["metadata"]["deletionTimestamp"] = now()
        kind = self._server.kinds.named("v1", "Pod")
        key = next(
            key for key, each in self._server.store.of(kind) if each["metadata"]["uid"] == pod["metadata"]["uid"]
        )
        self._server.store.put(key, pod)

    def _report(self, deployment: Object, current: Object, others: list[Object], time: float) -> None:
        spec, metadata = deployment["spec"], deployment["metadata"]
        updated = len(self._pods(current))
        total = updated + sum(len(self._pods(each)) for each in others)
        available = self._available(current) + sum(map(self._available, others))
        done = updated == total == spec["replicas"] and self._available(current) == spec["replicas"]
        seen = (metadata["generation"], updated, total, available)
        before, since = self._progress.get(metadata["uid"], (None, time))
        if before != seen:
            self._progress[metadata["uid"]] = (seen, time)
            since = time
        late = not done and time - since > spec.get("progressDeadlineSeconds", 600)
        name = current["metadata"]["name"]
        if done:
            progress = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
        elif late:
            progress = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
        else:
            progress = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        enough = available >= spec["replicas"] - _share(
            spec.get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable", "25%"), spec["replicas"], up=False
        )
        present = deployment.get("status", {}).get("conditions", [])
        deployment["status"] = {
            "observedGeneration": metadata["generation"],
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": sum(ready(pod) for each in (current, *others) for pod in self._pods(each)),
            "availableReplicas": available,
            "unavailableReplicas": max(0, spec["replicas"] - available),
            "conditions": [
                _condition(present, "Available", ("True" if enough else "False", "MinimumReplicas", "")),
                _condition(present, "Progressing", progress),
            ],
        }
        self._server.set_status(deployment)


def _condition(present: list[Object], type_: str, told: tuple[str, str, str]) -> Object:
    status, reason, message = told
    made = {"type": type_, "status": status, "reason": reason, "message": message}
    for each in present:
        if {name: each[name] for name in made} == made:
            return each
    return made | {"lastUpdateTime": now(), "lastTransitionTime": now()}


def _owned(found: list[Object], owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [each for each in found if any(ref["uid"] == uid for ref in each["metadata"].get("ownerReferences", []))]


def _reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _revision(replica_set: Object) -> int:
    return int(replica_set["metadata"]["annotations"][_REVISION])


def _namespace(content: Object) -> str:
    return str(content["metadata"]["namespace"])


def _share(limit: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(limit, int):
        return limit
    share = int(limit.rstrip("%")) * replicas / 100
    return math.ceil(share) if up else math.floor(share)
