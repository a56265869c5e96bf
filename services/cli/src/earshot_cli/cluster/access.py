"""Reads of the API server, by URL, through the kubernetes client's connection, with errors as one sentence."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from earshot_cli.errors import CliError, NotFoundError

Object = dict[str, Any]
_TIMEOUT_S = 10.0
# As the overlays name it, after the namespace of the services.
_SKILLS = "-skills"


class NoClusterError(CliError):
    """No cluster is named."""

    code = "cluster_not_named"


class ClusterUnreachableError(CliError):
    """The API server does not answer."""

    code = "cluster_unreachable"


class ForbiddenError(CliError):
    """The user may not read it."""

    code = "cluster_forbidden"


class UnauthorizedError(CliError):
    """The API server does not know the user."""

    code = "cluster_unauthorized"


class Cluster:
    """A cluster, as one user sees it.

    Attributes:
        client: What asks it.
        namespace: Where Earshot's services are.
        server: The API server's address.
        answered: What its clock said in its last answer, and ours; None before the first.
    """

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.server = str(client.configuration.host)
        self.answered: tuple[datetime, float] | None = None

    @property
    def skills(self) -> Cluster:
        """The same, where Skills are that the operator runs."""
        return Cluster(self.client, f"{self.namespace}{_SKILLS}")

    def get(self, path: str, **query: str) -> Object:
        """Return what is at a path.

        Raises:
            NotFoundError: Nothing.
            ForbiddenError: The user may not read it.
            UnauthorizedError: The server does not know the user.
            ClusterUnreachableError: It does not answer, or not as an API server does.
        """
        headers = {"Accept": "application/json"}
        self.client.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = self.client.call_api("GET", url, headers, _request_timeout=_TIMEOUT_S)
            content: bytes = answer.read()  # type: ignore[no-untyped-call]
        except (ApiException, HTTPError, OSError) as error:
            raise ClusterUnreachableError(f"the cluster at {self.server} does not answer ({_kind(error)})") from error
        if date := answer.headers.get("Date"):
            self.answered = (parsedate_to_datetime(date), time.time())
        return self._read(path, int(answer.status), content)

    def listed(self, path: str, **query: str) -> list[Object]:
        """Return the items at a path. Raises as `get`."""
        return list(self.get(path, **query).get("items", []))

    def find(self, path: str) -> Object | None:
        """Return what is at a path, or None. Raises as `get`, but for what is not there."""
        try:
            return self.get(path)
        except NotFoundError:
            return None

    def has(self, path: str) -> bool:
        """Tell whether there is something at a path. Raises as `get`, but for what is not there."""
        return self.find(path) is not None

    def within(self, api: str, resource: str) -> str:
        """Return the path of a resource of the namespace."""
        return f"/{'api' if '/' not in api else 'apis'}/{api}/namespaces/{self.namespace}/{resource}"

    def _read(self, path: str, status: int, content: bytes) -> Object:
        try:
            found = json.loads(content) if content else {}
        except ValueError as error:
            raise ClusterUnreachableError(f"what answers at {self.server} is no API server: {path}") from error
        if status < 300 and isinstance(found, dict):
            return found
        message = str(found.get("message", "")) if isinstance(found, dict) else ""
        if status == 401:
            raise UnauthorizedError(f"the cluster at {self.server} does not know this user; log in again")
        if status == 403:
            raise ForbiddenError(f"the cluster forbids it: {message or path}")
        if status == 404:
            raise NotFoundError(f"the cluster at {self.server} has no {path}")
        raise ClusterUnreachableError(f"the cluster at {self.server} answers {status}: {message or path}")


def connect(context: str, namespace: str) -> Cluster:
    """Return the cluster that is meant: the context's, or that of the pod that this runs in.

    Args:
        context: Of the kubeconfig; empty: its current one.
        namespace: Empty: the context's own, else "earshot".

    Raises:
        NoClusterError: There is no kubeconfig, or it has no such context.
    """
    configuration = Configuration()
    # Whoever waits at a terminal is told at once.
    configuration.retries = Retry(total=1, backoff_factor=0.1)
    # The client itself reads KUBECONFIG when it is imported.
    file = os.environ.get("KUBECONFIG")
    inside = ""
    try:
        config.load_kube_config(file, context or None, configuration)  # type: ignore[no-untyped-call]
        inside = _namespace(file, context)
    except (config.ConfigException, OSError, TypeError, KeyError) as error:
        if context:
            raise NoClusterError(f"the kubeconfig has no usable context {context!r}: {error}") from error
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            raise NoClusterError(
                f"no cluster is named ({str(error).splitlines()[0]}): set KUBECONFIG, or give --context"
            ) from error
    return Cluster(ApiClient(configuration), namespace or inside or "earshot")


def _namespace(file: str | None, context: str) -> str:
    contexts, active = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
    found = next((each for each in contexts if each["name"] == context), active)
    return str(found["context"].get("namespace", ""))


def _kind(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return type(reason).__name__ if isinstance(reason, Exception) else type(error).__name__
