"""Metrics: whoever is scraped answers, at that port and path, and everybody of ours is."""

from __future__ import annotations

from collections.abc import Iterator

from support.crosscheck.cluster import Cluster, Container
from support.manifests import Object, selects

# Of earshot_chassis.health.
_PATH = "/metrics"


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with PodMonitors."""
    monitors = cluster.of_kind("PodMonitor")
    scraped: set[str] = set()
    for monitor in monitors:
        who = f"PodMonitor {monitor['metadata']['name']}"
        where, selector = monitor["metadata"]["namespace"], monitor["spec"]["selector"]
        chosen = [each for each in cluster.containers if each.namespace == where and selects(selector, _labels(each))]
        scraped |= {each.who for each in chosen}
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for each in chosen:
                if said := _wrong(each, endpoint):
                    yield f"{who}: {each.who}: {said}"
    if monitors:
        ours = {each.who for each in cluster.containers if each.serves}
        yield from (f"nobody scrapes {name}" for name in sorted(ours - scraped))
        yield from (f"{name} has no metrics" for name in sorted(scraped - ours))


def _labels(container: Container) -> dict[str, str]:
    labels: dict[str, str] = container.workload["spec"]["template"]["metadata"]["labels"]
    return labels


def _wrong(container: Container, endpoint: Object) -> str:
    port = container.ports.get(endpoint["port"])
    if port is None or str(port) != container.variables.get("EARSHOT_HTTP_PORT"):
        return f"no metrics at its port {endpoint['port']}"
    if endpoint.get("path", "/metrics") != _PATH or endpoint.get("scheme", "http").lower() != "http":
        return f"no metrics at {endpoint.get('path')}"
    # A KEDA that looks every few seconds sees what is as old.
    return "" if endpoint.get("interval") in {f"{seconds}s" for seconds in range(1, 16)} else "scraped too seldom"
