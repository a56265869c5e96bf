"""What scales services, and what that takes: KEDA where there are ScaledObjects, our definitions where the operator runs."""

from __future__ import annotations

from collections.abc import Iterator

from earshot_cli.cluster import workloads
from earshot_cli.cluster.access import Cluster, ForbiddenError, Object
from earshot_cli.cluster.findings import KEDA, Finding, Result, at_least
from earshot_cli.errors import NotFoundError

_VERSION = "app.kubernetes.io/version"


def definitions(cluster: Cluster) -> Iterator[Finding]:
    """Look whether the cluster knows the kinds that something of ours is of."""
    operators = cluster.listed(
        cluster.within("apps/v1", "deployments"), labelSelector=f"{workloads.SELECTOR},{workloads.NAME}=operator"
    )
    if cluster.has("/apis/earshot.dev/v1alpha1"):
        yield Finding(check="definitions", result=Result.OK, message="earshot.dev/v1alpha1")
    elif operators:
        message = (
            "the cluster does not know earshot.dev/v1alpha1, which the operator needs: kubectl apply -k deploy/crds"
        )
        yield Finding(check="definitions", result=Result.FAILED, message=message)
    if cluster.has("/apis/keda.sh/v1alpha1"):
        yield Finding(check="definitions", result=Result.OK, message="keda.sh/v1alpha1")
    elif any(map(_wants_keda, operators)):
        message = "the cluster does not know keda.sh/v1alpha1, which the operator needs: install KEDA"
        yield Finding(check="definitions", result=Result.FAILED, message=message)


def keda(cluster: Cluster) -> Iterator[Finding]:
    """Look at what scales: KEDA where it is to, and whether its ScaledObjects are ready; else the autoscalers."""
    scaled, unread = [], []
    for each in (cluster, cluster.skills):
        try:
            scaled += each.listed(each.within("keda.sh/v1alpha1", "scaledobjects"))
        except NotFoundError:
            continue
        except ForbiddenError as error:
            unread.append(Finding(check="keda", result=Result.SKIPPED, message=str(error)))
    yield from unread
    if unread and not scaled:
        return
    if not scaled:
        plain = cluster.listed(
            cluster.within("autoscaling/v2", "horizontalpodautoscalers"), labelSelector=workloads.SELECTOR
        )
        told = f"{len(plain)} HorizontalPodAutoscalers scale; KEDA is not asked for"
        nobody = "neither ScaledObjects nor HorizontalPodAutoscalers: nothing is scaled (deploy/components/keda or hpa)"
        result = Result.OK if plain else Result.WARNING
        yield Finding(check="keda", result=result, message=told if plain else nobody)
        return
    yield from _not_ready(scaled)
    # Last: whoever has rights in our namespaces alone may not look at all of the cluster's, and is told the rest.
    found = cluster.listed("/apis/apps/v1/deployments", labelSelector=f"{workloads.NAME}=keda-operator")
    if not found:
        message = f"KEDA's operator is not there, and {len(scaled)} ScaledObjects wait for it: nothing is scaled"
        yield Finding(check="keda", result=Result.FAILED, message=message)
    for deployment in found:
        labels = deployment["metadata"].get("labels", {})
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        yield at_least("keda", "KEDA", labels.get(_VERSION) or workloads.version_of(image), KEDA)


def _not_ready(scaled: list[Object]) -> Iterator[Finding]:
    for each in scaled:
        for condition in each.get("status", {}).get("conditions", []):
            if (condition["type"], condition["status"]) == ("Ready", "False"):
                why = condition.get("message") or condition.get("reason", "")
                message = f"ScaledObject {each['metadata']['name']} is not ready: {why}"
                yield Finding(check="keda", result=Result.FAILED, message=message)


def _wants_keda(operator: Object) -> bool:
    told = operator["spec"]["template"]["spec"]["containers"][0].get("env", [])
    return {"name": "EARSHOT_OPERATOR_KEDA", "value": "false"} not in told
