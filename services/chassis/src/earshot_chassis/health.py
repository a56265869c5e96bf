"""Health and metrics over HTTP: /livez, /readyz and /metrics, from the standard library and prometheus_client.

The server has a thread of its own and touches nothing of the event loop: readiness is what the loop last found, and an
event loop that has not looked for a while is not alive.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from earshot_chassis.addresses import EVERY

# The loop looks every two seconds; five misses mean that it is stuck.
CHECK_INTERVAL_S = 2.0
_STUCK_S = 10.0


class Health:
    """What the loop last found, and the server that tells."""

    def __init__(self) -> None:
        self._reason = "starting"
        self._looked = time.monotonic()
        self._draining = False
        self._server: WSGIServer | None = None

    @property
    def ready(self) -> bool:
        """Whether the service takes work."""
        return not self._reason

    def report(self, reason: str) -> None:
        """Say why the service can't work; an empty string when it can. One that drains stays unready."""
        self._looked = time.monotonic()
        if not self._draining:
            self._reason = reason

    def drain(self) -> None:
        """Be unready for good."""
        self.report("draining")
        self._draining = True

    def start(self, host: str, port: int) -> int:
        """Serve; return the port.

        Raises:
            OSError: The port is taken.
        """
        self._server = make_server(host, port, self._application(), _server_of(host), _QuietHandler)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        return int(self._server.server_port)

    def stop(self) -> None:
        """Close the server."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _application(self) -> Any:
        metrics = make_wsgi_app()

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            path = environ.get("PATH_INFO")
            if path == "/metrics":
                response: Iterable[bytes] = metrics(environ, start_response)
                return response
            if path == "/readyz":
                return _answer(start_response, self._reason)
            if path == "/livez":
                stuck = time.monotonic() - self._looked > _STUCK_S
                return _answer(start_response, "event loop is stuck" if stuck else "")
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/livez /readyz /metrics\n"]

        return application


def _answer(start_response: Callable[..., Any], reason: str) -> list[bytes]:
    start_response("503 Service Unavailable" if reason else "200 OK", [("Content-Type", "text/plain")])
    return [f"{reason or 'ok'}\n".encode()]


class _Server6(WSGIServer):
    """Listens on IPv6; on every address also on IPv4, as gRPC does."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        if self.server_address[0] in EVERY:
            self.server_address = ("::", self.server_address[1])
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _server_of(host: str) -> type[WSGIServer]:
    return _Server6 if ":" in host or (host in EVERY and socket.has_dualstack_ipv6()) else WSGIServer


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Log nothing: probes come every few seconds."""
