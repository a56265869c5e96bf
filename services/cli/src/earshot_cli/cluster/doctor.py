"""Looks for what keeps Earshot from working in a cluster. Each check stands for itself: one that may not look is skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from earshot_cli.cluster import buses, workloads
from earshot_cli.cluster.access import Cluster, ClusterUnreachableError, ForbiddenError
from earshot_cli.cluster.findings import (
    CONTROL_LINE,
    KEDA,
    KUBERNETES,
    NATS,
    Finding,
    Result,
    at_least,
    clock,
    credential,
)
from earshot_cli.errors import CliError, NotFoundError

Check = Callable[[Cluster], Iterator[Finding]]
_VERSION = "app.kubernetes.io/version"
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


def _definitions(cluster: Cluster) -> Iterator[Finding]:
    for group, version, remedy in (
        ("earshot.dev", "v1alpha1", "kubectl apply -k deploy/crds"),
        ("keda.sh", "v1alpha1", "install KEDA"),
    ):
        try:
            cluster.get(f"/apis/{group}/{version}")
        except NotFoundError:
            message = f"the cluster does not know {group}/{version}: {remedy}"
            yield Finding(check="definitions", result=Result.FAILED, message=message)
        else:
            yield Finding(check="definitions", result=Result.OK, message=f"{group}/{version}")


def _keda(cluster: Cluster) -> Iterator[Finding]:
    found = cluster.listed("/apis/apps/v1/deployments", labelSelector="app.kubernetes.io/name=keda-operator")
    if not found:
        yield Finding(check="keda", result=Result.FAILED, message="KEDA's operator is not there: nothing is scaled")
    for deployment in found:
        labels = deployment["metadata"].get("labels", {})
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        yield at_least("keda", "KEDA", labels.get(_VERSION) or workloads.version_of(image), KEDA)
    for scaled in cluster.listed(cluster.within("keda.sh/v1alpha1", "scaledobjects")):
        for condition in scaled.get("status", {}).get("conditions", []):
            if (condition["type"], condition["status"]) == ("Ready", "False"):
                why = condition.get("message") or condition.get("reason", "")
                message = f"ScaledObject {scaled['metadata']['name']} is not ready: {why}"
                yield Finding(check="keda", result=Result.FAILED, message=message)


def _nats(cluster: Cluster) -> Iterator[Finding]:
    try:
        found = buses.servers(cluster)
    except ClusterUnreachableError as error:
        message = f"{error}: if the pod is ready, a network policy keeps the API server from port 8222 (docs/deploy.md)"
        yield Finding(check="nats", result=Result.FAILED, message=message)
        return
    if not found:
        message = "no nats-server runs in this namespace; earshot bus diff --url … looks at one elsewhere"
        yield Finding(check="nats", result=Result.WARNING, message=message)
    for server in found:
        yield at_least("nats", f"{server.pod}: nats-server", server.version, NATS)
        if not server.jetstream:
            yield Finding(check="nats", result=Result.FAILED, message=f"{server.pod}: JetStream is off")
        if server.control_line < CONTROL_LINE:
            message = (
                f"{server.pod}: max_control_line is {server.control_line}; users with many rights can't connect: 32KB"
            )
            yield Finding(check="nats", result=Result.FAILED, message=message)
        yield clock(f"{server.pod}'s clock", server.ahead_s, server.unsure_s)
    if len({server.version for server in found}) > 1:
        versions = ", ".join(sorted({server.version for server in found}))
        yield Finding(check="nats", result=Result.WARNING, message=f"the servers are of different versions: {versions}")


def _nodes(cluster: Cluster) -> Iterator[Finding]:
    leases = cluster.listed("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")
    now = time.time()
    for lease in leases:
        if renewed := lease["spec"].get("renewTime"):
            ahead_s = datetime.fromisoformat(renewed).timestamp() - now
            # It was renewed some time ago, which is no fault of its clock.
            yield clock(f"node {lease['metadata']['name']}'s clock", ahead_s + _LEASE_S / 2, _LEASE_S / 2)


def _workloads(cluster: Cluster) -> Iterator[Finding]:
    owners = cluster.listed(cluster.within("apps/v1", "deployments"), labelSelector=workloads.SELECTOR)
    pods = cluster.listed(cluster.within("v1", "pods"), labelSelector=workloads.SELECTOR)
    found = workloads.workloads(owners, pods)
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
    "definitions": _definitions,
    "keda": _keda,
    "nats": _nats,
    "nodes": _nodes,
    "workloads": _workloads,
    "skills": _skills,
    "credentials": _credentials,
}
