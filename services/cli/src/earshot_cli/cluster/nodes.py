"""Nodes: whether they are ready, and what their clocks say, by an answer of one of our pods on each.

A timer that is set for ten minutes from now rings late by as much as a node's clock is behind that of the bus. Pods have the
clock of their node, and no other word of it is as near: a node's lease is up to forty seconds old.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from earshot_cli.cluster.access import Cluster
from earshot_cli.cluster.findings import Finding, Result, clock
from earshot_cli.cluster.forwarding import PodUnreachableError, date

_OURS = "app.kubernetes.io/part-of=earshot,app.kubernetes.io/component in (service,skill)"
_HEALTH = 8080
# A Date has whole seconds.
_UNSURE_S = 0.5


def nodes(cluster: Cluster) -> Iterator[Finding]:
    """Yield what there is to say of nodes: those that are not ready, and the clocks of those on which we are.

    Raises:
        CliError: They can't be listed, or the user may not ask pods.
    """
    unready = {node["metadata"]["name"]: why for node in cluster.listed("/api/v1/nodes") if (why := _unready(node))}
    for name, why in sorted(unready.items()):
        yield Finding(check="nodes", result=Result.WARNING, message=f"node {name} is not ready: {why}")
    for name, pod in sorted(_witnesses(cluster).items()):
        if name not in unready:
            yield _clock(cluster, name, pod)


def _unready(node: Mapping[str, Any]) -> str:
    """Return why a node is not ready; empty: it is, or nobody says."""
    for each in node.get("status", {}).get("conditions", []):
        if each["type"] == "Ready" and each["status"] != "True":
            return str(each.get("message") or each.get("reason") or "it does not say why")
    return ""


def _witnesses(cluster: Cluster) -> dict[str, str]:
    """Return a ready pod of ours for each node that has one."""
    found: dict[str, str] = {}
    for pod in cluster.listed(cluster.within("v1", "pods"), labelSelector=_OURS):
        ready = any(
            each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", [])
        )
        if ready and (node := pod["spec"].get("nodeName")):
            found.setdefault(node, pod["metadata"]["name"])
    return found


def _clock(cluster: Cluster, node: str, pod: str) -> Finding:
    began = time.time()
    try:
        said = date(cluster, pod, _HEALTH, "/livez")
    except PodUnreachableError as error:
        return Finding(check="clocks", result=Result.SKIPPED, message=f"node {node}'s clock was not asked: {error}")
    took_s = time.time() - began
    ahead_s = said.timestamp() + _UNSURE_S - (began + took_s / 2)
    return clock(f"node {node}'s clock", ahead_s, _UNSURE_S + took_s / 2)
