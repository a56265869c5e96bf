"""Somebody who types one command after the other, for each skill in turn, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from typing import Final

import grpc

from earshot_chassis.ids import uuid7
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import Typed, converse

# What is typed, and what the key of the answer begins with: it depends on the hour in Tokyo, and on what is in Paris.
COMMANDS: Final = {
    "read my note": "chaos_note.empty",
    "what time is it in Tokyo": "clock.time_in",
    "play some jazz": "music.playing_genre",
    "what's the weather in Paris": "weather.forecast_now",
}
_ADDRESS: Final = DeviceAddress("home91", "typist91")
_EVERY_S: Final = 0.2
_ATTEMPTS: Final = 3


async def ask(system: Stack, text: str, locale: str, address: DeviceAddress) -> Typed:
    """Type one turn as a client should: where the answering process ends before the turn does, ask for the same turn again."""
    turn_id = uuid7()
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(grpc.aio.AioRpcError):
            return await converse(system, text, locale, address, turn_id=turn_id)
    return await converse(system, text, locale, address, turn_id=turn_id)


@dataclass(slots=True)
class Typist:
    """Who types.

    Attributes:
        system: That answers.
        answers: What was typed and the keys of what was answered, once each.
        count: How many answers there were.
    """

    system: Stack
    answers: set[tuple[str, str]] = field(default_factory=set)
    count: int = 0

    async def type(self, stop: asyncio.Event) -> None:
        """Type until it is time to stop."""
        for text in itertools.cycle(COMMANDS):
            if stop.is_set():
                return
            turn = await ask(self.system, text, "en-US", _ADDRESS)
            self.answers.add((text, " ".join(turn.keys)))
            self.count += 1
            await asyncio.sleep(_EVERY_S)
