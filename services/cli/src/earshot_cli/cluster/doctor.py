"""Looks for what keeps Earshot from working in a cluster. Each check stands for itself: one that may not look is skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from earshot_cli.cluster import owners, scaling, workloads
from earshot_cli.cluster.access import Cluster, ForbiddenError
from earshot_cli.cluster.findings import (
    KUBERNETES,
    Finding,
    Result,
    at_least,
    clock,
    credential,
    revocations,
)
from earshot_cli.cluster.nodes import nodes
from earshot_cli.cluster.recognition import recognition
from earshot_cli.errors import CliError, NotFoundError

Check = Callable[[Cluster], Iterator[Finding]]
# The API server's Date has whole seconds.
_DATE_UNSURE_S = 1.0


def examine(cluster: Cluster) -> list[Finding]:
    """Run every check that needs the cluster alone, but for what its bus holds.

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


def _workloads(cluster: Cluster) -> Iterator[Finding]:
    found = workloads.workloads(*owners.of(cluster))
    if not found:
        message = f"nothing of Earshot's runs in namespace {cluster.namespace}: kubectl apply -k deploy/overlays/…"
        yield Finding(check="workloads", result=Result.FAILED, message=message)
    try:
        found += workloads.workloads(*owners.of(cluster.skills))
    except ForbiddenError as error:
        yield Finding(check="workloads", result=Result.SKIPPED, message=str(error))
    for each in found:
        if each.state == "done":
            continue
        result = Result.FAILED if each.state == "stuck" else Result.WARNING
        yield Finding(check="workloads", result=result, message=f"{each.name} is {each.state}: {each.why}")
    if found and all(each.state == "done" for each in found):
        yield Finding(check="workloads", result=Result.OK, message=f"{len(found)} services are rolled out")


def _skills(cluster: Cluster) -> Iterator[Finding]:
    apart = cluster.skills
    if cluster.has(cluster.within("apps/v1", "deployments/operator")) and not apart.has(
        apart.within("v1", "configmaps/bus")
    ):
        message = f"an operator runs, and in {apart.namespace} nothing is there for Skills: kubectl apply -k deploy/overlays/…/skills"
        yield Finding(check="skills", result=Result.FAILED, message=message)
    try:
        found = workloads.skills(apart.listed(apart.within("earshot.dev/v1alpha1", "skills")))
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
    revoked = revocations(cluster.find(cluster.within("v1", "configmaps/bus-trust")))
    for each in (cluster, cluster.skills):
        for secret in each.listed(each.within("v1", "secrets")):
            if (finding := credential(secret, now, revoked)) is not None:
                yield finding


_CHECKS: dict[str, Check] = {
    "definitions": scaling.definitions,
    "keda": scaling.keda,
    "nodes": nodes,
    "workloads": _workloads,
    "recognition": recognition,
    "skills": _skills,
    "credentials": _credentials,
}
