"""A device for which timers are set, one after the other, while services are restarted; and what rang on it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from earshot_device import Device
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.ringing import Ear, until
from support.stack import Typed, converse, device

# Some are set and ring within one scheduler's life, others outlive it.
_DURATIONS: Final = ("two", "five", "three", "four")
_ADDRESS: Final = DeviceAddress("home92", "kitchen92")
_ALL_RANG_S: Final = 25.0


@dataclass(slots=True)
class Kitchen:
    """Where timers ring.

    Attributes:
        system: That sets and rings them.
        ask: Types one turn.
        every_s: Pause between two that are asked for.
        answers: What was said to each timer that was asked for.
        rang: The occurrence of each ringing that began on the device, and could be heard.
    """

    system: Stack
    ask: Callable[[Stack, str, str, DeviceAddress], Awaitable[Typed]] = converse
    every_s: float = 0.5
    answers: list[str] = field(default_factory=list)
    rang: list[str] = field(default_factory=list)

    async def live(self, stop: asyncio.Event) -> None:
        """Ask for timers, typed, until it is time to stop; then wait until all have rung, or should have, and for what rings too often."""
        ear = Ear()
        async with device(self.system, _ADDRESS, sink=ear, playback_speed=1.0) as kitchen:
            dismissing = asyncio.create_task(self._dismiss(kitchen, ear))
            try:
                for duration in itertools.cycle(_DURATIONS):
                    if stop.is_set():
                        break
                    turn = await self.ask(self.system, f"set a timer for {duration} seconds", "en-US", _ADDRESS)
                    self.answers.append(" ".join(turn.keys))
                    await asyncio.sleep(self.every_s)
                with contextlib.suppress(TimeoutError):
                    await until(lambda: len(self.rang) >= len(self.answers), _ALL_RANG_S)
                await asyncio.sleep(1.0)
            finally:
                dismissing.cancel()

    async def _dismiss(self, kitchen: Device, ear: Ear) -> None:
        """Press the button as soon as something can be heard to ring."""
        while True:
            await until(lambda: kitchen.ringing, 60.0)
            ear.heard.clear()
            await until(lambda: "ring" in ear.heard)
            self.rang += await kitchen.dismiss()
