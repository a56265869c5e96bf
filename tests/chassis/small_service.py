"""A service of two lines for test_service: it echoes a turn's id and sleeps as long as the turn's lane says.

SMALL_SERVICE_HANGS names a hook that never ends: start, leave or stop.
"""

from __future__ import annotations

import asyncio
import os

from earshot.asr.v1 import events_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_chassis.consuming import Delivery
from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_topology.streams import NLU_TRANSCRIBED


async def compose(service: Service) -> None:
    """Register the one handler."""

    async def handle(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        await asyncio.sleep(float(event.turn.lane or 0))
        await service.bus.publish("turn.interpreted", interpreter_pb2.TurnInterpreted(turn=event.turn))

    async def hang() -> None:
        await asyncio.Event().wait()

    hooks = {"start": service.on_start, "leave": service.on_leave, "stop": service.on_stop}
    if hanging := os.environ.get("SMALL_SERVICE_HANGS"):
        hooks[hanging](hang)
    service.bus.handler(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle, concurrency=2)


if __name__ == "__main__":
    run(Service("nlu", "0", ServiceSettings()), compose)
