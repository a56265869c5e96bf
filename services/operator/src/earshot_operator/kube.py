"""The operator's requests to the API server: few, by URL, through the kubernetes client's own connection.

What it makes is created, which the server refuses where somebody was faster, and from then on applied by the server (server-side
apply): the same request again changes nothing, whoever made the first one and whether or not its answer arrived. Changes and deletions
say which object was looked at: another one of its name is not meant.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from earshot_operator.errors import (
    ChangedError,
    ClusterUnavailableError,
    ForbiddenError,
    KindMissingError,
    RejectedError,
)

Object = dict[str, Any]
T = TypeVar("T")
MANAGER = "earshot-operator"
_TIMEOUT_S = 10.0
_PLURALS = {
    "Deployment": "deployments",
    "Event": "events",
    "NetworkPolicy": "networkpolicies",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "ScaledObject": "scaledobjects",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "Skill": "skills",
}
_NOT_FOUND, _FORBIDDEN, _CONFLICT, _INVALID = 404, 403, 409, (400, 422)
_APPLY, _MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_UID = "metadata.uid"


def connect() -> ApiClient:
    """Return a client: the pod's own account, or what KUBECONFIG names.

    Raises:
        kubernetes.config.ConfigException: There is neither.
    """
    configuration = Configuration()
    # A server that says "Retry-After" would be slept for in a thread, for as long as it says.
    configuration.retries = Retry(connect=2, read=1, respect_retry_after_header=False)
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        # The client itself reads KUBECONFIG when it is imported.
        file = os.environ.get("KUBECONFIG")
        config.load_kube_config(file, client_configuration=configuration)  # type: ignore[no-untyped-call]
    return ApiClient(configuration)


class Kube:
    """One namespace.

    Args:
        client: Connected by `connect`.
        namespace: Which.
    """

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    async def get(self, api_version: str, kind: str, name: str) -> Object | None:
        """Return an object; None if it is not there."""
        return await self._ask("GET", self._path(api_version, kind, name), missing=None)

    async def pods(self, labels: Mapping[str, str]) -> list[Object]:
        """Return the pods that carry labels."""
        query = {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}
        found = await self._ask("GET", self._path("v1", "Pod"), query=query)
        return list(found["items"]) if found else []

    async def apply(self, content: Object, present: Object | None) -> None:
        """Make an object what it is to be.

        Args:
            content: What it is to be.
            present: What it was when it was looked at; None: it was not there.

        Raises:
            ChangedError: Another one is there meanwhile.
            KindMissingError: The cluster has no definition of it.
        """
        path = self._path(content["apiVersion"], content["kind"])
        if present is None:
            await self._ask("POST", path, query={"fieldManager": MANAGER}, body=content)
            return
        path = f"{path}/{content['metadata']['name']}"
        await self._claim(path, present)
        named = content | {"metadata": content["metadata"] | {"uid": present["metadata"]["uid"]}}
        query = {"fieldManager": MANAGER, "force": "true"}
        await self._ask("PATCH", path, query=query, content_type=_APPLY, body=named)

    async def patch_status(self, api_version: str, kind: str, name: str, status: Object) -> None:
        """Merge a status; nothing happens if the object is gone."""
        path = f"{self._path(api_version, kind, name)}/status"
        await self._ask("PATCH", path, content_type=_MERGE, body={"status": status}, missing=None)

    async def delete(self, present: Object) -> None:
        """Delete an object, if it is there and as it was looked at.

        Raises:
            ChangedError: It is another one meanwhile.
        """
        metadata = present["metadata"]
        path = self._path(present["apiVersion"], present["kind"], metadata["name"])
        looked_at = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": looked_at}
        await self._ask("DELETE", path, body=options, missing=None)

    async def create(self, content: Object) -> None:
        """Create an object, unless one of that name is there."""
        path = self._path(content["apiVersion"], content["kind"])
        await self._ask("POST", path, body=content, there=None)

    async def _claim(self, path: str, present: Object) -> None:
        """Take the fields with which it was created for applied ones: others would stay when they are applied no more."""
        managers = present["metadata"].get("managedFields", [])
        ours = [
            each | {"operation": "Apply"} if _is_creation(each) else each
            for each in managers
            # Of an apply that came before this: two entries of one name and operation are none.
            if (each.get("manager"), each.get("operation")) != (MANAGER, "Apply")
        ]
        if any(map(_is_creation, managers)):
            patch = [
                {"op": "replace", "path": "/metadata/managedFields", "value": ours},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": present["metadata"]["resourceVersion"]},
            ]
            await self._ask("PATCH", path, content_type=_JSON_PATCH, body=patch)

    def _path(self, api_version: str, kind: str, name: str = "") -> str:
        root = "/api" if "/" not in api_version else "/apis"
        path = f"{root}/{api_version}/namespaces/{self.namespace}/{_PLURALS[kind]}"
        return f"{path}/{name}" if name else path

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        body: Object | list[Object] | None = None,
        **excused: None,
    ) -> Object | None:
        """Ask; `missing` excuses 404 and `there` 409, with None as the answer.

        Raises:
            ClusterUnavailableError: No answer, or one that may be another one later.
            ChangedError: It is not what was looked at.
            KindMissingError: There are no such objects in this cluster.
            ForbiddenError: The Role lacks a right.
            RejectedError: The object is not valid.
        """

        def ask() -> tuple[int, bytes]:
            headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": MANAGER}
            self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = f"{self._client.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
            sent = json.dumps(body) if content_type == _APPLY else body
            answer = self._client.call_api(method, url, headers, sent, _request_timeout=_TIMEOUT_S)
            return answer.status, answer.read()  # type: ignore[no-untyped-call]

        try:
            status, content = await _in_thread(ask)
            if status < 300:
                return dict(json.loads(content))
        # ConfigException: of the token's file, which is read again now and then. ValueError: of something that is not JSON.
        except (ApiException, HTTPError, OSError, config.ConfigException, ValueError) as error:
            raise ClusterUnavailableError(f"{method} {path}: {type(error).__name__}") from error
        if (status == _NOT_FOUND and "missing" in excused) or (status == _CONFLICT and "there" in excused):
            return None
        told = f"{method} {path}: {status} {_message(content)}"
        if status == _FORBIDDEN:
            raise ForbiddenError(told)
        if status in _INVALID:
            # An apply that means another object of that name is told so, not that it is in conflict.
            raise ChangedError(told) if _UID in _fields(content) else RejectedError(told)
        if status == _NOT_FOUND and method == "POST":
            # To a collection: the namespace is there, since the Skill is.
            raise KindMissingError(told)
        raise ChangedError(told) if status in {_NOT_FOUND, _CONFLICT} else ClusterUnavailableError(told)


def _is_creation(entry: Object) -> bool:
    said = (entry.get("manager"), entry.get("operation"), entry.get("subresource", ""))
    return said == (MANAGER, "Update", "")


async def _in_thread(function: Callable[[], T]) -> T:
    """Call something that blocks; one that is cancelled still ends first, so that nothing is written behind its back."""
    task = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _fields(content: bytes) -> set[str]:
    """Return the fields that a refusal names (Status.details.causes of the API)."""
    try:
        return {str(cause.get("field")) for cause in json.loads(content)["details"]["causes"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return ""
