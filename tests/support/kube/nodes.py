"""Nodes: where pods are put, and which of them may be sent away.

A pod goes to the node that takes new ones and has the fewest. Where the server holds no Node, pods run nowhere in particular. One
that is on a node that the server does not hold stays as it is: nobody starts it, nor ends it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support.kube.selecting import labels_match
from support.kube.store import Key, Object

if TYPE_CHECKING:
    from support.kube.server import ApiServer


def ready(pod: Object) -> bool:
    """Tell whether a pod is ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


def placed(server: ApiServer, pod: Object) -> bool:
    """Put a pod onto a node, if it is on none; tell whether it may start."""
    nodes = server.listed("v1", "Node")
    if "nodeName" in pod["spec"]:
        return any(each["metadata"]["name"] == pod["spec"]["nodeName"] for each in nodes)
    if not nodes:
        return True
    taken = Counter(each["spec"].get("nodeName") for each in server.listed("v1", "Pod"))
    there = [each["metadata"]["name"] for each in nodes if not each.get("spec", {}).get("unschedulable")]
    if not there:
        return False
    pod["spec"]["nodeName"] = min(there, key=lambda name: taken[name])
    metadata = pod["metadata"]
    kind = server.kinds.named("v1", "Pod")
    server.store.put(Key(kind=kind, namespace=metadata["namespace"], name=metadata["name"]), pod)
    return True


def held(server: ApiServer, pod: Object) -> str:
    """Return the PodDisruptionBudget that has no pod to spare; empty: the pod may be evicted.

    Of budgets it knows `maxUnavailable` as a number, of how many pods there should be what Deployments say.
    """
    namespace = pod["metadata"]["namespace"]
    pods = server.listed("v1", "Pod", namespace)
    for budget in server.listed("policy/v1", "PodDisruptionBudget", namespace):
        selector = ",".join(f"{name}={value}" for name, value in budget["spec"]["selector"]["matchLabels"].items())
        if not labels_match(pod, selector) or not ready(pod):
            continue
        there = sum(
            ready(each) and "deletionTimestamp" not in each["metadata"] for each in pods if labels_match(each, selector)
        )
        wanted = sum(
            each["spec"]["replicas"]
            for each in server.listed("apps/v1", "Deployment", namespace)
            if labels_match(each["spec"]["template"], selector)
        )
        if there - 1 < wanted - budget["spec"]["maxUnavailable"]:
            return str(budget["metadata"]["name"])
    return ""
