"""What of Earshot's is to run in a namespace, with the pods of it."""

from __future__ import annotations

from earshot_cli.cluster import workloads
from earshot_cli.cluster.access import Cluster, Object


def of(cluster: Cluster) -> tuple[list[Object], list[Object]]:
    """Return Deployments and StatefulSets, and all pods. The bus is found by its name alone: the official chart's is not part of us.

    Raises:
        CliError: They can't be listed.
    """
    found: dict[str, Object] = {}
    for resource, selector in (
        ("deployments", workloads.SELECTOR),
        ("statefulsets", workloads.SELECTOR),
        ("statefulsets", workloads.BUS_SELECTOR),
    ):
        for owner in cluster.listed(cluster.within("apps/v1", resource), labelSelector=selector):
            found[owner["metadata"]["uid"]] = owner
    return list(found.values()), cluster.listed(cluster.within("v1", "pods"))
