"""The life of a service: connect, compose, start, serve until SIGTERM, drain.

    telemetry ► bus connects ► compose() registers handlers, servicers and hooks ► gRPC, consumers start ► ready
    SIGTERM ► not ready ► leave hooks ► no more work is taken, what is in progress ends ► tasks end ► stop hooks, last first
            ► bus, telemetry flush

`compose` is the service's own: what it registers is all that differs between two services. One that consumes nothing, and
has something to do without the bus, need not wait for it: it composes and serves, not ready, and joins the bus when that is there.

SIGTERM is obeyed at any moment of the start, too. From it on there is one clock: work in progress may take
`drain_timeout_s`, then it is handed over; whatever comes after it shares `FAREWELL_S` more. A grace time of both together,
and a little for the interpreter, is never exceeded, whatever is away.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from earshot_chassis import tasks, telemetry
from earshot_chassis.bus import Bus
from earshot_chassis.errors import PermanentError
from earshot_chassis.failures import log_unhandled
from earshot_chassis.health import CHECK_INTERVAL_S, Health
from earshot_chassis.rpc_server import GrpcServer
from earshot_chassis.settings import ServiceSettings
from earshot_chassis.telemetry import Telemetry

Hook = Callable[[], Coroutine[Any, Any, None]]
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = telemetry.logger("service")

# What hooks, the bus's goodbye and the flush of telemetry may take after the end of work, in this order.
FAREWELL_S = 2.5
_HOOKS_S = 1.0
_BUS_S = 1.5
_TASKS_S = 0.5


class Service:
    """One process of a service.

    Attributes:
        name: "asr", "skill-clock".
        bus: Connected when compose is called, unless it does not wait for it.
        grpc: Add servicers to it in compose.
        health: Readiness; the service looks at its bus and at the checks that compose adds.

    Args:
        name: The service's.
        version: Its own.
        settings: What every service is told.
        waits_for_bus: Whether it does nothing before it is connected. Only then compose finds the bus connected, and may register
            what consumes.
    """

    def __init__(self, name: str, version: str, settings: ServiceSettings, *, waits_for_bus: bool = True) -> None:
        self._waits_for_bus = waits_for_bus
        self.name = name
        self.version = version
        self.settings = settings
        self.telemetry = Telemetry(name, version, settings)
        self.bus = Bus(name, settings)
        self.health = Health()
        self.grpc: GrpcServer
        self._start_hooks: list[Hook] = []
        self._leave_hooks: list[Hook] = []
        self._stop_hooks: list[Hook] = []
        self._checks: list[Callable[[], str]] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    def on_start(self, hook: Hook) -> None:
        """Call a hook after composition, before work is taken."""
        self._start_hooks.append(hook)

    def on_leave(self, hook: Hook) -> None:
        """Call a hook at the beginning of a drain, while work is still taken: it tells others to send no more."""
        self._leave_hooks.append(hook)

    def on_stop(self, hook: Hook) -> None:
        """Call a hook when work in progress has ended; the last one added is called first."""
        self._stop_hooks.append(hook)

    def add_check(self, check: Callable[[], str]) -> None:
        """Make readiness depend on a check, which returns why the service can't work, or an empty string."""
        self._checks.append(check)

    def add_task(self, name: str, function: Hook) -> None:
        """Run a task until work has ended; its failure ends the service, to be restarted."""
        self._tasks[name] = asyncio.get_running_loop().create_task(function(), name=name)

    async def end_task(self, name: str) -> None:
        """End a task before the others: in a leave hook, where it would undo what the hook does."""
        await tasks.end([self._tasks[name]], _TASKS_S)

    def stop(self) -> None:
        """Begin to drain."""
        self._stopping.set()

    async def serve(self, compose: Callable[[Service], Awaitable[None]]) -> None:
        """Live until a signal, a stop, or a failed task.

        Raises:
            Exception: What ended the service, unless it was asked to stop.
        """
        loop = asyncio.get_running_loop()

        def stop(_number: int, _frame: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._stopping.set)

        # Not the loop's own handlers, which it takes away when it closes: one more SIGTERM would then kill what has drained.
        for number in _SIGNALS:
            signal.signal(number, stop)
        self.telemetry.start()
        telemetry.observed(
            "earshot.process.tasks", "Tasks of the event loop.", lambda: float(len(asyncio.all_tasks(loop)))
        )
        loop.set_exception_handler(log_unhandled)
        try:
            http_port = self.health.start(self.settings.http_host, self.settings.http_port)
            starting = loop.create_task(self._start(compose, http_port), name="start")
            if not await self._unless_stopped(starting):
                return
            self._tasks["bus"] = loop.create_task(self._hold_bus(), name="bus")
            self._tasks["credentials"] = loop.create_task(self.bus.follow_credentials(), name="credentials")
            self._tasks["readiness"] = loop.create_task(self._look(), name="readiness")
            await self._wait()
        finally:
            await self._drain()

    async def _start(self, compose: Callable[[Service], Awaitable[None]], http_port: int) -> None:
        if self._waits_for_bus:
            await self.bus.connect()
        self.grpc = GrpcServer(self.settings.grpc_calls, shared_port=self.settings.grpc_shared_port)
        await compose(self)
        for hook in self._start_hooks:
            await hook()
        grpc_port = await self.grpc.start(self.settings.grpc_host, self.settings.grpc_port)
        if self._waits_for_bus:
            await self.bus.start()
        _log.info("started", version=self.version, grpc_port=grpc_port, http_port=http_port)

    async def _hold_bus(self) -> None:
        if not self._waits_for_bus:
            await self.bus.join()
        await self.bus.lost()

    async def _unless_stopped(self, starting: asyncio.Task[None]) -> bool:
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            await tasks.end([starting], _TASKS_S)
            return False
        await starting
        return True

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
        loop = asyncio.get_running_loop()
        work_until = loop.time() + self.settings.drain_timeout_s
        self.health.drain()
        _log.info("draining")
        started, connected = hasattr(self, "grpc"), hasattr(self.bus, "client")
        if started:
            await self.grpc.drain()
        await _call(self._leave_hooks, work_until)
        working = []
        if connected:
            working.append(self.bus.stop_consuming(work_until - loop.time()))
        if started:
            working.append(self.grpc.stop(work_until - loop.time()))
        await asyncio.gather(*working)
        await tasks.end(self._tasks.values(), _TASKS_S)
        await _call(reversed(self._stop_hooks), work_until + _HOOKS_S)
        if connected:
            await self.bus.close(work_until + _BUS_S - loop.time())
        # A client that was away when it was closed goes on looking for its server: the process would never end.
        await tasks.end(asyncio.all_tasks() - {current for current in [asyncio.current_task()] if current}, _TASKS_S)
        flushed = await _in_thread(self._last, max(_TASKS_S, work_until + FAREWELL_S - loop.time()))
        _log.info("stopped", telemetry_flushed=flushed)

    def _last(self) -> None:
        self.telemetry.stop()
        self.health.stop()


async def _call(hooks: Iterable[Hook], until: float) -> None:
    """Call hooks one after the other, all within one time; one that fails or lasts is told, and the others still run."""
    for hook in hooks:
        try:
            async with asyncio.timeout_at(max(until, asyncio.get_running_loop().time() + 0.1)):
                await hook()
        except Exception as error:  # noqa: BLE001 - the other hooks still have to run
            _log.error("hook_failed", hook=hook.__qualname__, exc_info=error)


async def _in_thread(function: Callable[[], None], patience_s: float) -> bool:
    """Call something that blocks; return whether it ended in time. Nobody waits for the thread of one that did not."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def call() -> None:
        try:
            function()
        finally:
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=call, name="flush", daemon=True).start()
    try:
        async with asyncio.timeout(patience_s):
            await ended.wait()
    except TimeoutError:
        return False
    return True


def run(service: Service, compose: Callable[[Service], Awaitable[None]]) -> None:
    """Run a service's process: the last line of every __main__.

    Raises:
        SystemExit: It can't begin; the one line on standard error says why.
    """
    try:
        service.bus.check_credentials()
    except PermanentError as error:
        raise SystemExit(f"{service.name}: {error.code}: {error}") from None
    try:
        if sys.platform == "win32":
            asyncio.run(service.serve(compose))
            return
        import uvloop  # noqa: PLC0415 - there is none on Windows

        uvloop.run(service.serve(compose))
    except PermanentError as error:
        # What no later start will change is for whoever started it, not for a debugger.
        raise SystemExit(f"{service.name}: {error.code}: {error}") from None
    finally:
        # Python's last act is to take handlers away, too; not this one.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
