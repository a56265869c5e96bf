"""How the trace store is put together."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Generator

import uvicorn

from earshot_chassis import telemetry
from earshot_chassis.service import Service
from earshot_tracestore.api import application
from earshot_tracestore.ledger import Ledger
from earshot_tracestore.otlp_grpc import SERVICE, TraceServicer, add_to_server
from earshot_tracestore.settings import TracestoreSettings
from earshot_tracestore.store import Store

_log = telemetry.logger("tracestore")


def composition(settings: TracestoreSettings) -> Callable[[Service], Awaitable[None]]:
    """Return what registers the store's parts with the service."""

    async def compose(service: Service) -> None:
        store = Store(
            settings.tracestore_database,
            max_spans=settings.tracestore_max_spans,
            max_turns=settings.tracestore_max_turns,
        )
        service.grpc.add(add_to_server, TraceServicer(store), SERVICE)
        app = application(
            store,
            lost_after_s=settings.tracestore_lost_after_s,
            settled_after_s=settings.tracestore_settled_after_s,
            max_body_bytes=settings.tracestore_max_body_bytes,
        )
        web = _Web(
            uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        )
        # Listening before the service says that it is ready; raises OSError where the port is taken.
        listener = socket.create_server((settings.tracestore_host, settings.tracestore_port))
        ledger = Ledger(service.bus.client, store)
        service.on_start(ledger.start)

        async def close() -> None:
            await asyncio.to_thread(store.close)

        # The last one added is called first: the ledger writes to the store to its end.
        service.on_stop(close)
        service.on_stop(ledger.stop)
        service.add_task("web", lambda: web.serve([listener]))

    return compose


class _Web(uvicorn.Server):
    """A web server that leaves the process's signals to the chassis."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield
