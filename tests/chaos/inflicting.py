"""Does to the system what the schedule says, and waits until it works again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping

from chaos.cutting import Line
from chaos.phases import Board
from chaos.records import Inflicted
from chaos.routes import Routes, number_of
from chaos.schedule import BUS, DEVICE, Blow, Kind, Planned
from chaos.servers import SERVER, Servers
from earshot_local.child import Child
from earshot_local.stack import Stack

# A node that was parted may cost two elections; then everything is looked at for three seconds.
_RECOVERY_S = 45.0
_LOOK_S = 0.02
# Longer than clients keep a silent server.
_APART_S = 6.0


class NotRecoveredError(Exception):
    """A process that was ended did not come back."""


class Inflictor:
    """Inflicts faults on a stack.

    Args:
        stack: The system.
        board: Tells what devices do.
        lines: Ways to the bus that can be cut, by process or device.
        routes: Ways between the bus's servers.
        bus: Tells how the bus's servers are.
    """

    def __init__(self, stack: Stack, board: Board, lines: Mapping[str, Line], routes: Routes, bus: Servers) -> None:
        self._bus = bus
        self._routes = routes
        self._stack = stack
        self._board = board
        self._lines = lines
        self.inflicted: list[Inflicted] = []

    async def strike(self, blow: Blow) -> None:
        """Wait for the moment, inflict a blow, wait until everything works again, and rest.

        Raises:
            NotRecoveredError: Something did not come back.
        """
        moment = blow.faults[0]
        device = await self._board.next(moment.phase)
        await asyncio.sleep(moment.after_s)
        targets = await self._targets(blow, device)
        began_at = time.monotonic()
        try:
            async with asyncio.timeout(_RECOVERY_S):
                await asyncio.gather(*(self._inflict(fault, name) for fault, name in targets))
                await self._stack.ready()
                await self._bus.whole(after_fault=any(fault.stage == BUS for fault, _ in targets))
        except TimeoutError as error:
            told = ", ".join(f"{fault.kind} {name}" for fault, name in targets)
            raise NotRecoveredError(f"{told}; {self._bus.told or 'a process'}") from error
        finally:
            self.inflicted += [
                Inflicted(
                    kind=fault.kind,
                    stage=fault.stage,
                    target=name,
                    forgives=blow.forgives,
                    began_at=began_at,
                    recovered_at=time.monotonic(),
                )
                for fault, name in targets
            ]
        await asyncio.sleep(blow.rest_s)

    async def _targets(self, blow: Blow, device: str) -> list[tuple[Planned, str]]:
        """Return each fault with the process that it hits; no process is hit twice at once."""
        taken: set[str] = set()
        targets = []
        for fault in blow.faults:
            able = [name for name in self._names(fault.stage, device) if name not in taken]
            name = able[fault.replica % len(able)]
            if fault.kind in (Kind.KILL_LEADER, Kind.PARTITION_LEADER):
                name = await self._bus.leader() or name
            taken.add(name)
            targets.append((fault, name))
        return targets

    def _names(self, stage: str, device: str) -> list[str]:
        """Return what a fault of a stage may hit; of devices, the one whose turn it is."""
        if stage == DEVICE:
            return [device]
        if stage == BUS:
            return sorted(name for name in self._stack.processes if name.startswith(SERVER))
        return sorted(name for name in self._stack.processes if name.rsplit("-", 1)[0] == stage)

    async def _inflict(self, fault: Planned, name: str) -> None:
        if fault.kind is Kind.CUT and fault.stage == BUS:
            # A node that no client reaches: whoever is connected to it has to go to another one.
            async with contextlib.AsyncExitStack() as apart:
                for line in self._lines.values():
                    await apart.enter_async_context(line.apart_from(number_of(name)))
                await asyncio.sleep(_APART_S)
            return
        if fault.kind in (Kind.PARTITION, Kind.PARTITION_LEADER):
            async with self._routes.parted(number_of(name)):
                await asyncio.sleep(fault.lasts_s)
            return
        if fault.kind is Kind.CUT:
            await self._lines[name].cut(fault.lasts_s)
            return
        child = self._stack.processes[name]
        match fault.kind:
            case Kind.FREEZE:
                child.freeze()
                try:
                    await asyncio.sleep(fault.lasts_s)
                finally:
                    child.thaw()
            case Kind.RESTART:
                await child.restart()
            case _:
                await _kill(child)


async def _kill(child: Child) -> None:
    """Kill a process and wait until its supervisor has another one that is ready."""
    pid = child.pid
    child.kill()
    while child.pid in (None, pid):
        await asyncio.sleep(_LOOK_S)
    await child.ready()
