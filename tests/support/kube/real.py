"""A real cluster in the place of the API server of our own: `make e2e-kube KUBECONFIG=…`.

The operator runs there already (deploy/components/operator, and skills). What else has to be told:

    E2E_KUBECONFIG       the cluster; its context's namespace is where the operator looks, "earshot-skills"; it is itself in "earshot"
    E2E_SKILL            id of a skill whose image is at hand, and that does not run there: it is made and deleted
    E2E_IMAGE            its image
    E2E_VERSION          the version that it registers: 0.1.0
    E2E_IMAGE_NEXT, E2E_VERSION_NEXT     another version of it; without them no update is tried
    E2E_BUS_URL, E2E_BUS_CREDENTIALS     the bus and its administrator; without them the registry is not looked at
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError

from earshot_topology.policies import NAMESPACE, SKILLS_NAMESPACE
from support.kube.store import Object

_LOOK_S = 0.5


class RealApi:
    """The same calls as ApiServer's, over HTTP."""

    def __init__(self, kubeconfig: str) -> None:
        configuration = Configuration()
        config.load_kube_config(kubeconfig, client_configuration=configuration)
        self._client = DynamicClient(ApiClient(configuration))
        _, active = config.list_kube_config_contexts(kubeconfig)
        self.namespace = str(active["context"].get("namespace", SKILLS_NAMESPACE))

    def create(self, content: Object, namespace: str = "") -> Object:
        """Create an object."""
        return self._of(content).create(body=content, namespace=namespace or None).to_dict()

    def rewrite(self, content: Object) -> Object:
        """Give an object another spec, whatever else became of it."""
        metadata = content["metadata"]
        # Not a merge, which would keep what the other spec does not say.
        change = [{"op": "replace", "path": "/spec", "value": content["spec"]}]
        patch = {"body": change, "content_type": "application/json-patch+json"}
        found = self._of(content).patch(name=metadata["name"], namespace=metadata.get("namespace"), **patch)
        return found.to_dict()

    def label(self, content: Object, labels: Mapping[str, str]) -> None:
        """Give an object more labels."""
        metadata = content["metadata"]
        patch = {"body": {"metadata": {"labels": dict(labels)}}, "content_type": "application/merge-patch+json"}
        self._of(content).patch(name=metadata["name"], namespace=metadata.get("namespace"), **patch)

    def delete(
        self, api_version: str, kind: str, name: str, namespace: str = "", *, grace_s: int | None = None
    ) -> None:
        """Delete an object, in the time that it is given."""
        options = {} if grace_s is None else {"body": {"gracePeriodSeconds": grace_s}}
        resource = self._client.resources.get(api_version=api_version, kind=kind)
        resource.delete(name=name, namespace=namespace or None, **options)

    def find(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """Return an object, or None."""
        resource = self._client.resources.get(api_version=api_version, kind=kind)
        try:
            return resource.get(name=name, namespace=namespace or None).to_dict()
        except NotFoundError:
            return None

    def listed(self, api_version: str, kind: str, namespace: str = "") -> list[Object]:
        """Return a kind's objects."""
        resource = self._client.resources.get(api_version=api_version, kind=kind)
        return [each.to_dict() for each in resource.get(namespace=namespace or None).items]

    async def changed(self) -> None:
        """Wait a moment."""
        await asyncio.sleep(_LOOK_S)

    def _of(self, content: Object) -> Any:
        return self._client.resources.get(api_version=content["apiVersion"], kind=content["kind"])


def end_pods(api: Any, namespace: str, name: str) -> None:
    """Kill the pods of a Deployment, without their farewell: it starts others."""
    for pod in api.listed("v1", "Pod", namespace):
        if pod["metadata"].get("labels", {}).get("app.kubernetes.io/name") == name:
            api.delete("v1", "Pod", pod["metadata"]["name"], namespace, grace_s=0)


def wanted() -> str:
    """Return the kubeconfig of the real cluster that is to be used; empty for the server of our own."""
    return os.environ.get("E2E_KUBECONFIG", "")


def skill(find: Callable[..., Object | None], namespace: str) -> str:
    """Return the id of the skill whose image is at hand. Nothing is supposed: the tests delete the skill in the end.

    Args:
        find: Looks an object up: by API version, kind, name and namespace.
        namespace: Where the skill is to run.

    Raises:
        ValueError: No skill is named, or it runs there already.
    """
    named = os.environ.get("E2E_SKILL", "")
    if not named:
        raise ValueError("say with E2E_SKILL which skill: one that does not run there")
    for *place, where in (
        ("apps/v1", "Deployment", f"skill-{named}", namespace),
        ("earshot.dev/v1alpha1", "Skill", named, namespace),
        ("v1", "Service", f"skill-{named}", NAMESPACE),
    ):
        if find(*place, where) is not None:
            raise ValueError(f"there is a {place[1]} {place[2]} in {where}: name another skill in E2E_SKILL")
    return named


def image(number: int) -> tuple[str, str]:
    """Return the first or the next image, and the version that it registers; empty where none is told."""
    suffix = "" if number == 1 else "_NEXT"
    return os.environ.get(f"E2E_IMAGE{suffix}", ""), os.environ.get(f"E2E_VERSION{suffix}", "")


def bus() -> tuple[str, str]:
    """Return the bus and its administrator's credentials; empty where none is told."""
    return os.environ.get("E2E_BUS_URL", ""), os.environ.get("E2E_BUS_CREDENTIALS", "")
