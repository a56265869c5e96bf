"""A service of a few lines for test_service: it echoes a turn's id, later if the turn's lane says so.

A lane is how many seconds that takes, or a path: then it makes that folder, and goes on when there is a file "go" in it. So does a
call whose locale is a path; others are answered at once, with revision 1 if nothing that they need was stopped meanwhile.

SMALL_SERVICE_HANGS names a hook that never ends: start, leave or stop. With SMALL_SERVICE_WAITS empty it does not wait for the bus,
and consumes nothing.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from earshot.asr.v1 import events_pb2
from earshot.nlu.v1 import interpreter_pb2, interpreter_pb2_grpc
from earshot_chassis import telemetry
from earshot_chassis.consuming import Delivery
from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_topology.streams import NLU_TRANSCRIBED

_WAITS = bool(os.environ.get("SMALL_SERVICE_WAITS", "1"))


async def told(path: str) -> None:
    """Make a folder, and wait until it is told to go on there."""
    folder = Path(path)
    await asyncio.to_thread(folder.mkdir)
    while not await asyncio.to_thread((folder / "go").exists):
        await asyncio.sleep(0.02)


class Interpreter(interpreter_pb2_grpc.InterpreterServicer):
    """Needs something that a stop hook takes away."""

    def __init__(self) -> None:
        self.stopped = False

    async def stop(self) -> None:
        """Take it away."""
        self.stopped = True

    async def Interpret(self, request, _context):
        """Wait until it is told to go on."""
        if request.locale:
            await told(request.locale)
        return interpreter_pb2.InterpretResponse(registry_revision=0 if self.stopped else 1)


async def compose(service: Service) -> None:
    """Register one handler and one servicer."""
    interpreter = Interpreter()
    service.on_stop(interpreter.stop)
    service.grpc.add(interpreter_pb2_grpc.add_InterpreterServicer_to_server, interpreter, "earshot.nlu.v1.Interpreter")

    async def handle(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        if os.sep in event.turn.lane:
            await told(event.turn.lane)
        else:
            await asyncio.sleep(float(event.turn.lane or 0))
        await service.bus.publish("turn.interpreted", interpreter_pb2.TurnInterpreted(turn=event.turn))

    async def joined() -> None:
        telemetry.logger("small").info("joined")

    service.bus.on_reconnect(joined)

    async def hang() -> None:
        await asyncio.Event().wait()

    hooks = {"start": service.on_start, "leave": service.on_leave, "stop": service.on_stop}
    if hanging := os.environ.get("SMALL_SERVICE_HANGS"):
        hooks[hanging](hang)
    if _WAITS:
        service.bus.handler(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle, concurrency=2)


if __name__ == "__main__":
    run(Service("nlu", "0", ServiceSettings(), waits_for_bus=_WAITS), compose)
