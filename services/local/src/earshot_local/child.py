"""One supervised process: started, watched, restarted when it ends by itself, stopped with its whole group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earshot_chassis.tasks import end
from earshot_local import forking
from earshot_local.backoff import LOOP, Backoff
from earshot_local.errors import StartError
from earshot_local.events import Event, Listener, State, nobody
from earshot_local.orphans import end_group
from earshot_local.sources import changed_ns

# Room for a traceback.
_TAIL_LINES = 16
_STARTING_PROBE_S = 0.05
_READY_PROBE_S = 2.0
# One slow answer on a busy machine is not an outage.
_MISSED_PROBES = 3
_AFTER_S = 10.0
_SOURCES_S = 0.5
_END_S = 1.0

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run.

    Attributes:
        name: What people call it.
        command: Its arguments.
        environment: All of it; nothing is inherited.
        log: Where its output goes.
        probe: Tells whether it is ready.
        grace_s: How long it may take to end after SIGTERM.
        sources: Where its files are. While it waits to be started again, it is started at once when one of them changes.
        stuck: Tells whether it will not become ready again unless it is started anew; asked while it is not ready.
        fresh: Whether it is started from nothing, as in its image, and never forked.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    probe: Probe
    grace_s: float = 8.0
    sources: Path | None = None
    stuck: Probe | None = None
    fresh: bool = False


class Child:
    """A program and the process that runs it at the moment.

    Attributes:
        program: What is run.
        state: Where it is in its life.
        restarts: How often it ended by itself.
        ending: How the last process that ended by itself did, in words; empty: none has.
        exit_status: How the last process that ended did: its exit code, or a signal's number below zero; -9 if it did not end
            within its grace time.
    """

    def __init__(self, program: Program, listener: Listener) -> None:
        self.program = program
        self.state = State.WAITING
        self.restarts = 0
        self.ending = ""
        self.exit_status: int | None = None
        self._listener = listener
        self._backoff = Backoff()
        self._process: forking.Process | None = None
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._restarting = False
        # Whether it has ever been ready, and since when the process that runs at the moment is.
        self._proven = False
        self._ready_at: float | None = None
        # Where in the log the latest start begins, and the last words that a listener was given.
        self._log_begins = 0
        self._sources_ns = 0
        self._failed_to_start = False
        self._told = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.program.name

    @property
    def pid(self) -> int | None:
        """The process that runs at the moment, if any."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def hopeless(self) -> bool:
        """Whether it has ended several times and has never been ready: no further start will mend it."""
        return not self._proven and self.restarts >= LOOP

    def start(self, after: Sequence[Child] = ()) -> None:
        """Begin to supervise; run the program when these others are ready, or have had their chance to be."""
        previous = self.program.log.with_suffix(".previous.log")
        with contextlib.suppress(FileNotFoundError):
            self.program.log.replace(previous)
        self._task = asyncio.create_task(self._supervise(after), name=f"supervise {self.name}")

    async def ready(self) -> None:
        """Wait until it is ready."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.state is State.READY)

    async def started(self) -> None:
        """Wait until it is ready.

        Raises:
            StartError: No start will make it so.
        """
        await self.decided()
        if self.state is not State.READY:
            raise StartError(f"{self.name} can't start: it {self.trouble()}")

    async def decided(self) -> None:
        """Wait until it is ready, or hopeless."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.state is State.READY or self.hopeless)

    async def tried(self) -> None:
        """Wait until it is ready, or has ended once."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.state is State.READY or self.restarts > 0)

    async def proven(self, timeout_s: float) -> None:
        """Wait until it is ready for the first time.

        Raises:
            StartError: It ended before it was, or is not in time; the message has its last lines.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.tried()
        if self.state is State.CRASHED:
            raise StartError(f"{self.name} can't start: it {self.trouble()}")
        if self.state is not State.READY:
            raise StartError(f"{self.name} is not ready after {timeout_s:.0f} s: it {self.trouble()}")

    def take_over(self, predecessor: Child) -> None:
        """Take the place of another child: write where that one did, and tell who was told of it, who hears no more of that one.

        The log of the other one is kept, as at a start.
        """
        log = predecessor.program.log
        with contextlib.suppress(FileNotFoundError):
            log.replace(log.with_suffix(".previous.log"))
        self.program.log.replace(log)
        self.program = replace(self.program, log=log)
        self._listener = predecessor.hush()

    def hush(self) -> Listener:
        """Tell nobody from now on; return who was told."""
        listener, self._listener = self._listener, nobody
        return listener

    def described(self) -> dict[str, Any]:
        """Describe it for a program; one that has crashed with how it ended and its last lines."""
        crashed = self.state is State.CRASHED
        return {
            "name": self.name,
            "instance": self.program.environment.get("EARSHOT_INSTANCE_ID", self.name),
            "state": self.state.value,
            "pid": self.pid,
            "restarts": self.restarts,
            "log": str(self.program.log),
            "ending": self.ending if crashed else "",
            "log_tail": list(self.tail()) if crashed else [],
        }

    def trouble(self) -> str:
        """Tell what is wrong: how it ended, or its state; the last lines of its latest start; where the others are."""
        lines = "".join(f"\n  | {line}" for line in self.tail())
        what = self.ending if self.state is State.CRASHED else f"is {self.state}"
        return f"{what}{lines}\n  all of its log: {self.program.log}"

    async def stop(self) -> None:
        """End it for good: SIGTERM, its grace, SIGKILL to whatever is left of its group."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        process, self._process = self._process, None
        ending = "stopped"
        if process is not None and process.returncode is None:
            await self._enter(State.STOPPING, "stopping")
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self.program.grace_s)
            end_group(process.pid)
            self.exit_status = await process.wait()
            if self.exit_status == -signal.SIGKILL:
                ending = f"did not end within {self.program.grace_s:g} s and was killed"
        await self._enter(State.STOPPED, ending)

    def kill(self) -> None:
        """SIGKILL the process that runs at the moment; its supervisor starts another one."""
        self._send(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP it: it is there and does nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT it."""
        self._send(signal.SIGCONT)

    async def restart(self) -> None:
        """Have it end within its grace time and run anew at once; returns when it is ready."""
        process = self._process
        self._restarting = True
        self._send(signal.SIGTERM)
        if process is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self.program.grace_s)
            end_group(process.pid)
        async with self._changed:
            await self._changed.wait_for(lambda: not self._restarting)
        await self.ready()

    async def restarted(self, timeout_s: float) -> None:
        """Restart it.

        Raises:
            StartError: Its new start failed, or is not ready in time; it is started again all the same.
        """
        before = self.restarts
        restarting = asyncio.create_task(self.restart())
        failing = asyncio.create_task(self._ended_again(before))
        try:
            await asyncio.wait({restarting, failing}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not restarting.done():
                raise StartError(f"{self.name} can't start: it {self.trouble()}")
            await restarting
        finally:
            await end([restarting, failing], _END_S)

    async def _ended_again(self, before: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.restarts > before and self.state is State.CRASHED)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def tail(self) -> tuple[str, ...]:
        """Return the last log lines of its latest start."""
        try:
            with self.program.log.open("rb") as log:
                log.seek(self._log_begins)
                return tuple(line.decode(errors="replace").rstrip() for line in deque(log, _TAIL_LINES))
        except OSError:
            return ()

    async def _supervise(self, after: Sequence[Child]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_AFTER_S):
                await asyncio.gather(*(other.tried() for other in after))
        while True:
            ending = await self._run_once()
            if self._restarting:
                continue
            was_ready = self._ready_at is not None
            if was_ready and (self._failed_to_start or self.exit_status == 0):
                # It has been mended, or was asked to end: no crash of the series before.
                self._backoff = Backoff()
            self._failed_to_start = not was_ready
            self.ending = ending if was_ready else f"{ending} before it was ready"
            wait = self._backoff.crashed(time.monotonic() - self._ready_at if self._ready_at is not None else 0.0)
            self.restarts += 1
            # One that was well and is killed is no defect; one that can't start has one, and its last lines tell which.
            tail = () if was_ready and not self._backoff.looping else self.tail()
            repeated, self._told = bool(tail) and tail[-1] == self._told, tail[-1] if tail else ""
            text = f"{self.ending}; restarting in {wait:.1f} s"
            await self._enter(State.CRASHED, text, tail, repeated=repeated)
            await self._rest(wait)

    async def _rest(self, wait_s: float) -> None:
        """Wait, but no longer than until one of the program's files is another one than at its latest start."""
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _SOURCES_S))
            if changed_ns(self.program.sources) != self._sources_ns:
                return

    async def _run_once(self) -> str:
        """Run the program until it ends; return how it ended."""
        self._restarting = False
        self._ready_at = None
        self._sources_ns = changed_ns(self.program.sources)
        await self._enter(State.STARTING, "starting")
        try:
            with self.program.log.open("ab") as log:
                self._log_begins = log.seek(0, os.SEEK_END)
                self._process = await forking.start(
                    self.program.command, self.program.environment, log, fresh=self.program.fresh
                )
        except OSError as error:
            return f"could not be started ({error.strerror})"
        watching = asyncio.create_task(self._watch())
        try:
            status = await self._process.wait()
        finally:
            watching.cancel()
        end_group(self._process.pid)
        self.exit_status = status
        return _ending(status)

    async def _watch(self) -> None:
        missed = 0
        while True:
            if await self.program.probe():
                missed = 0
                if self.state is not State.READY:
                    self._proven = True
                    self._ready_at = self._ready_at or time.monotonic()
                    await self._enter(State.READY, "ready")
            else:
                missed += 1
                if self.state is State.READY and missed >= _MISSED_PROBES:
                    await self._enter(State.UNREADY, "is not ready any more")
                if self.state is State.UNREADY and self.program.stuck is not None and await self.program.stuck():
                    # Started anew when it has ended, like any other.
                    self._restarting = True
                    self._send(signal.SIGTERM)
                    return
            await asyncio.sleep(_READY_PROBE_S if self.state is State.READY else _STARTING_PROBE_S)

    async def _enter(self, state: State, text: str, tail: tuple[str, ...] = (), *, repeated: bool = False) -> None:
        async with self._changed:
            self.state = state
            self._changed.notify_all()
        log = self.program.log if tail else None
        self._listener(
            Event(process=self.name, state=state, text=text, log_tail=tail, log=log, repeated=repeated),
        )


def _ending(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
