"""A device with a real credential and no manners: it publishes whatever it is told to, and notes what it hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import nats
from nats.aio.msg import Msg

from earshot.dialogue.v1 import outcome_pb2
from earshot_local.stack import Stack
from earshot_topology.permissions import device_inbox
from earshot_topology.subjects import DeviceAddress, turn_of
from support.hearing import TestDevice


class RoughDevice(TestDevice):
    """Also notes outcomes, by turn."""

    __test__ = False

    outcomes: dict[str, outcome_pb2.Outcome]

    async def on_outcome(self, message: Msg) -> None:
        """Note an outcome's last segment."""
        outcome = outcome_pb2.Outcome.FromString(message.data)
        if outcome.final:
            self.outcomes[turn_of(message.subject)] = outcome
            self._news.set()

    async def outcome(self, turn: str, seconds: float = 25.0) -> outcome_pb2.Outcome:
        """Wait for a turn's outcome."""
        await self.wait(lambda: turn in self.outcomes, seconds)
        return self.outcomes[turn]

    def codes(self, turn: str) -> set[str]:
        """Return the codes of all errors that were told about a turn."""
        return {update.error.code for update in self.of(turn, "error")} | {
            told.error.code for told in self.errors if told.turn_id == turn
        }


@contextlib.asynccontextmanager
async def rough_device(stack: Stack, address: DeviceAddress) -> AsyncIterator[RoughDevice]:
    """Connect with the device's own credential."""
    client = await nats.connect(
        stack.nats_url,
        user_credentials=str(stack.device_credentials(*address)),
        inbox_prefix=device_inbox(*address),
    )
    made = RoughDevice(client=client, address=address)
    made.outcomes = {}
    await client.subscribe(address.recognition(), cb=made.on_update)
    await client.subscribe(address.error(), cb=made.on_error)
    outcomes = f"device.{address.household}.{address.device}.down.outcome.*"
    await client.subscribe(outcomes, cb=made.on_outcome)
    await client.flush()
    try:
        yield made
    finally:
        await asyncio.wait_for(client.close(), 3)
