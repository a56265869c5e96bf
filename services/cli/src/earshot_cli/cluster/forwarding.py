"""Questions to a port of a pod, over a connection that the API server and the pod's node forward, as `kubectl port-forward` does.

It ends inside of the pod: network policies, which keep the API server's own proxy from most pods, do not concern it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from typing import Any

from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward

from earshot_cli.cluster.access import Cluster, ForbiddenError, Object
from earshot_cli.errors import CliError

Ask = Callable[[str], Object]
_TIMEOUT_S = 10.0
_HANDSHAKE = re.compile(r"Handshake status (\d+)")


class PodUnreachableError(CliError):
    """Nobody answers at a pod's port."""

    code = "pod_unreachable"


class _Forwarded(HTTPConnection):
    def __init__(self, pod: str, socket: Any) -> None:
        super().__init__(pod, timeout=_TIMEOUT_S)
        self._socket = socket

    def connect(self) -> None:
        self.sock = self._socket


@contextlib.contextmanager
def forwarded(cluster: Cluster, pod: str, port: int) -> Iterator[Ask]:
    """Connect to a pod's port, for some questions by path, which are answered in JSON.

    Raises:
        ForbiddenError: The user may not.
        PodUnreachableError: Nobody answers, or not in JSON.
    """
    with _connected(cluster, pod, port) as connection:

        def ask(path: str) -> Object:
            try:
                connection.request("GET", path)
                answer = json.loads(connection.getresponse().read())
            except (HTTPException, OSError, ValueError) as error:
                raise _nobody(pod, port, error) from error
            return dict(answer)

        yield ask


def date(cluster: Cluster, pod: str, port: int, path: str) -> datetime:
    """Return what the clock of a pod's node says, in whole seconds: the Date of an HTTP answer.

    Raises:
        ForbiddenError: The user may not forward ports.
        PodUnreachableError: Nobody answers, or without a date.
    """
    with _connected(cluster, pod, port) as connection:
        try:
            connection.request("GET", path)
            return parsedate_to_datetime(str(connection.getresponse().getheader("Date")))
        except (HTTPException, OSError, ValueError) as error:
            raise _nobody(pod, port, error) from error


@contextlib.contextmanager
def _connected(cluster: Cluster, pod: str, port: int) -> Iterator[HTTPConnection]:
    api = CoreV1Api(cluster.client)
    try:
        # Its stubs do not know it as generated.
        connect: Any = api.connect_get_namespaced_pod_portforward
        channels: Any = portforward(connect, pod, cluster.namespace, ports=str(port))
    except ApiException as error:
        found = _HANDSHAKE.search(str(error.reason))
        if found is not None and found.group(1) in {"401", "403"}:
            raise ForbiddenError(f"the cluster forbids to forward ports of {pod} (get pods/portforward)") from error
        raise PodUnreachableError(f"the cluster can't forward port {port} of {pod}") from error
    socket = channels.socket(port)
    socket.settimeout(_TIMEOUT_S)
    try:
        yield _Forwarded(pod, socket)
    finally:
        channels.close()


def _nobody(pod: str, port: int, error: Exception) -> PodUnreachableError:
    return PodUnreachableError(f"nobody answers at port {port} of {pod} ({type(error).__name__})")
