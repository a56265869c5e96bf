"""The life of a service: connect, compose, start, serve until SIGTERM, drain.

    telemetry ► bus connects ► compose() registers handlers, servicers and hooks ► gRPC, consumers start ► ready
    SIGTERM ► not ready ► consumers stop, work in progress ends ► stop hooks, last first ► gRPC ends ► bus, telemetry flush

`compose` is the service's own: what it registers is all that differs between two services.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from earshot_chassis import telemetry
from earshot_chassis.bus import Bus
from earshot_chassis.failures import log_unhandled
from earshot_chassis.health import CHECK_INTERVAL_S, Health
from earshot_chassis.rpc_server import GrpcServer
from earshot_chassis.settings import ServiceSettings
from earshot_chassis.telemetry import Telemetry

Hook = Callable[[], Coroutine[Any, Any, None]]
_log = telemetry.logger("service")


class Service:
    """One process of a service.

    Attributes:
        name: "asr", "skill-clock".
        bus: Connected when compose is called.
        grpc: Add servicers to it in compose.
        health: Readiness; the service looks at its bus and at the checks that compose adds.
    """

    def __init__(self, name: str, version: str, settings: ServiceSettings) -> None:
        self.name = name
        self.version = version
        self.settings = settings
        self.telemetry = Telemetry(name, version, settings)
        self.bus = Bus(name, settings)
        self.health = Health()
        self.grpc: GrpcServer
        self._start_hooks: list[Hook] = []
        self._stop_hooks: list[Hook] = []
        self._checks: list[Callable[[], str]] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    def on_start(self, hook: Hook) -> None:
        """Call a hook after composition, before work is taken."""
        self._start_hooks.append(hook)

    def on_stop(self, hook: Hook) -> None:
        """Call a hook when work in progress has ended; the last one added is called first."""
        self._stop_hooks.append(hook)

    def add_check(self, check: Callable[[], str]) -> None:
        """Make readiness depend on a check, which returns why the service can't work, or an empty string."""
        self._checks.append(check)

    def add_task(self, name: str, function: Hook) -> None:
        """Run a task for the service's life; its failure ends the service, to be restarted."""
        self._tasks[name] = asyncio.get_running_loop().create_task(function(), name=name)

    def stop(self) -> None:
        """Begin to drain."""
        self._stopping.set()

    async def serve(self, compose: Callable[[Service], Awaitable[None]]) -> None:
        """Live until a signal, a stop, or a failed task.

        Raises:
            Exception: What ended the service, unless it was asked to stop.
        """
        self.telemetry.start()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log_unhandled)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            http_port = self.health.start(self.settings.http_host, self.settings.http_port)
            if not await self._unless_stopped(self.bus.connect()):
                return
            self.grpc = GrpcServer(self.settings.grpc_calls)
            await compose(self)
            for hook in self._start_hooks:
                await hook()
            grpc_port = await self.grpc.start(self.settings.grpc_host, self.settings.grpc_port)
            await self.bus.start()
            self._tasks["bus"] = loop.create_task(self.bus.lost(), name="bus")
            self._tasks["readiness"] = loop.create_task(self._look(), name="readiness")
            _log.info("started", version=self.version, grpc_port=grpc_port, http_port=http_port)
            await self._wait()
        finally:
            await self._drain()

    async def _unless_stopped(self, waited: Awaitable[None]) -> bool:
        connecting = asyncio.ensure_future(waited)
        stopping = asyncio.ensure_future(self._stopping.wait())
        done, pending = await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if connecting in done:
            await connecting
        return connecting in done

    async def _wait(self) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        done, _ = await asyncio.wait({stopping, *self._tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done - {stopping}:
            _log.error("task_ended", task=task.get_name(), exc_info=task.exception())
            await task

    async def _look(self) -> None:
        while True:
            reasons = [check() for check in self._checks] + [await self.bus.ready()]
            reason = "; ".join(reason for reason in reasons if reason)
            self.health.report(reason)
            await self.grpc.report(serving=not reason)
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def _drain(self) -> None:
        self.health.report("draining")
        connected = hasattr(self.bus, "client")
        if hasattr(self, "grpc"):
            await self.grpc.report(serving=False)
        await _cancel(set(self._tasks.values()))
        if connected:
            await self.bus.stop_consuming(self.settings.drain_timeout_s)
        for hook in reversed(self._stop_hooks):
            try:
                await hook()
            except Exception as error:  # noqa: BLE001 - the other hooks still have to run
                _log.error("stop_hook_failed", exc_info=error)
        if hasattr(self, "grpc"):
            await self.grpc.stop(2.0)
        if connected:
            await self.bus.close()
        # A client that was away when it was closed goes on looking for its server: the process would never end.
        await _cancel(asyncio.all_tasks() - {current for current in [asyncio.current_task()] if current})
        self.health.stop()
        _log.info("stopped")
        await asyncio.get_running_loop().run_in_executor(None, self.telemetry.stop)


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks, again where it has to be: before Python 3.12 asyncio.wait_for can lose a cancellation."""
    for _ in range(5):
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        done, tasks = await asyncio.wait(tasks, timeout=0.5)
        for task in done:
            if not task.cancelled():
                task.exception()


def run(service: Service, compose: Callable[[Service], Awaitable[None]]) -> None:
    """Run a service's process: the last line of every __main__."""
    if sys.platform == "win32":
        asyncio.run(service.serve(compose))
        return
    import uvloop  # noqa: PLC0415 - there is none on Windows

    uvloop.run(service.serve(compose))
