"""What the recogniser of a cluster is to hear, as its Deployment says it: pure, but for that one question."""

from __future__ import annotations

from collections.abc import Iterator

from earshot_cli.cluster.access import Cluster
from earshot_cli.cluster.findings import Finding, Result

_REQUIRED = "EARSHOT_ASR_REQUIRED_LOCALES"


def recognition(cluster: Cluster) -> Iterator[Finding]:
    """Tell which locales have a model for certain, and which are heard by what is in the image."""
    deployment = cluster.find(cluster.within("apps/v1", "deployments/asr"))
    if deployment is None:
        return
    variables = {
        each["name"]: each.get("value", "")
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for each in container.get("env", [])
    }
    if required := variables.get(_REQUIRED):
        message = f"asr has a model for each of {required}: without one its pods are not ready"
    else:
        message = (
            "asr hears what its image brings along, unless a model is mounted: English, and Mandarin by a makeshift for trying "
            f"out ({_REQUIRED} is not set; docs/deploy.md, Models of the recogniser)"
        )
    yield Finding(check="recognition", result=Result.OK, message=message)
