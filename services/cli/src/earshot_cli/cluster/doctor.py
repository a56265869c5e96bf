"""Looks for what keeps Earshot from working in a cluster. Each check stands for itself: one that may not look is skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from earshot_cli.cluster import buses, owners, scaling, workloads
from earshot_cli.cluster.access import Cluster, ClusterUnreachableError, ForbiddenError
from earshot_cli.cluster.findings import (
    CONTROL_LINE,
    KUBERNETES,
    NATS,
    Finding,
    Result,
    at_least,
    clock,
    credential,
)
from earshot_cli.cluster.forwarding import PodUnreachableError
from earshot_cli.errors import CliError, NotFoundError

Check = Callable[[Cluster], Iterator[Finding]]
# The API server's Date has whole seconds.
_DATE_UNSURE_S = 1.0
# A node renews its lease every ten seconds, and counts as lost after forty.
_LEASE_S = 40.0


def examine(cluster: Cluster) -> list[Finding]:
    """Run every check that needs the cluster alone.

    Raises:
        CliError: The cluster can't be asked at all.
    """
    found = list(_kubernetes(cluster))
    for name, check in _CHECKS.items():
        try:
            found += check(cluster)
        except ForbiddenError as error:
            found.append(Finding(check=name, result=Result.SKIPPED, message=str(error)))
        except CliError as error:
            found.append(Finding(check=name, result=Result.FAILED, message=str(error)))
    return found


def _kubernetes(cluster: Cluster) -> Iterator[Finding]:
    version = str(cluster.get("/version").get("gitVersion", ""))
    yield at_least("kubernetes", "Kubernetes", version, KUBERNETES)
    if cluster.answered is not None:
        said, heard = cluster.answered
        yield clock("the API server's clock", said.timestamp() + 0.5 - heard, _DATE_UNSURE_S)


def _nats(cluster: Cluster) -> Iterator[Finding]:
    wanted = workloads.bus_replicas(cluster.find(cluster.within("v1", "configmaps/bus")))
    if wanted is None:
        message = "no ConfigMap bus says how many copies there are of everything: kubectl apply -k deploy/overlays/…"
        yield Finding(check="nats", result=Result.WARNING, message=message)
    try:
        found = buses.servers(cluster)
    except PodUnreachableError as error:
        message = f"{error}: its monitoring is off, or it is no nats-server of ours"
        yield Finding(check="nats", result=Result.FAILED, message=message)
        return
    except ClusterUnreachableError as error:
        message = (
            f"{error}: if the pod is ready, a network policy keeps the API server's proxy from port 8222; "
            "with the right to get pods/portforward the doctor takes another way (docs/deploy.md)"
        )
        yield Finding(check="nats", result=Result.FAILED, message=message)
        return
    if not found:
        message = "no nats-server runs in this namespace; earshot bus diff --url … looks at one elsewhere"
        yield Finding(check="nats", result=Result.WARNING, message=message)
    elif wanted is not None and len(found) < wanted:
        message = (
            f"{len(found)} nats-server{'s run' if len(found) > 1 else ' runs'}, and there are to be {wanted} copies"
        )
        yield Finding(check="nats", result=Result.FAILED, message=f"{message} (ConfigMap bus, replicas)")
    for server in found:
        yield from _server(server)
    if len({server.version for server in found}) > 1:
        versions = ", ".join(sorted({server.version for server in found}))
        yield Finding(check="nats", result=Result.WARNING, message=f"the servers are of different versions: {versions}")


def _server(server: buses.Server) -> Iterator[Finding]:
    yield at_least("nats", f"{server.pod}: nats-server", server.version, NATS)
    if not server.jetstream:
        yield Finding(check="nats", result=Result.FAILED, message=f"{server.pod}: JetStream is off")
    if server.control_line < CONTROL_LINE:
        message = f"{server.pod}: max_control_line is {server.control_line}; users with many rights can't connect: 32KB"
        yield Finding(check="nats", result=Result.FAILED, message=message)
    yield clock(f"{server.pod}'s clock", server.ahead_s, server.unsure_s)


def _nodes(cluster: Cluster) -> Iterator[Finding]:
    leases = cluster.listed("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")
    unready = {node["metadata"]["name"]: why for node in cluster.listed("/api/v1/nodes") if (why := _unready(node))}
    now = time.time()
    for name, why in sorted(unready.items()):
        yield Finding(check="nodes", result=Result.WARNING, message=f"node {name} is not ready: {why}")
    for lease in leases:
        name, renewed = lease["metadata"]["name"], lease["spec"].get("renewTime")
        # One that has stopped renews nothing: what its lease says is no word of its clock.
        if renewed and name not in unready:
            ahead_s = datetime.fromisoformat(renewed).timestamp() - now
            # It was renewed some time ago, which is no fault of its clock.
            yield clock(f"node {name}'s clock", ahead_s + _LEASE_S / 2, _LEASE_S / 2)


def _unready(node: Mapping[str, Any]) -> str:
    """Return why a node is not ready; empty: it is, or nobody says."""
    for each in node.get("status", {}).get("conditions", []):
        if each["type"] == "Ready" and each["status"] != "True":
            return str(each.get("message") or each.get("reason") or "it does not say why")
    return ""


def _workloads(cluster: Cluster) -> Iterator[Finding]:
    found = workloads.workloads(*owners.of(cluster))
    if not found:
        message = f"nothing of Earshot's runs in namespace {cluster.namespace}: kubectl apply -k deploy/overlays/…"
        yield Finding(check="workloads", result=Result.FAILED, message=message)
    for each in found:
        if each.state == "done":
            continue
        result = Result.FAILED if each.state == "stuck" else Result.WARNING
        yield Finding(check="workloads", result=result, message=f"{each.name} is {each.state}: {each.why}")
    if found and all(each.state == "done" for each in found):
        yield Finding(check="workloads", result=Result.OK, message=f"{len(found)} services are rolled out")


def _skills(cluster: Cluster) -> Iterator[Finding]:
    try:
        found = workloads.skills(cluster.listed(cluster.within("earshot.dev/v1alpha1", "skills")))
    except NotFoundError:
        # The definitions' check tells it.
        return
    for skill in found:
        if skill.degraded:
            message = f"skill {skill.name}: {skill.degraded}: {skill.message}"
            yield Finding(check="skills", result=Result.FAILED, message=message)
        elif skill.available != "True":
            message = f"skill {skill.name} does not serve: {skill.message}"
            yield Finding(check="skills", result=Result.WARNING, message=message)
        else:
            yield Finding(check="skills", result=Result.OK, message=f"skill {skill.name}: {skill.message}")


def _credentials(cluster: Cluster) -> Iterator[Finding]:
    now = time.time()
    for secret in cluster.listed(cluster.within("v1", "secrets")):
        if (finding := credential(secret, now)) is not None:
            yield finding


_CHECKS: dict[str, Check] = {
    "definitions": scaling.definitions,
    "keda": scaling.keda,
    "nats": _nats,
    "nodes": _nodes,
    "workloads": _workloads,
    "skills": _skills,
    "credentials": _credentials,
}
