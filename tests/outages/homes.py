"""A household whose way to the bus can be cut: one device, real, that says one thing at a time."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import nats

from chaos.checker import Verdict, verdict_of
from chaos.cutting import Line, lines_for
from chaos.history import History
from chaos.lines import ECHO, line, words
from chaos.phases import Board, Phase
from chaos.records import Turn
from chaos.sounding import Clip, Sentence, Silence
from chaos.speaking import Speaker
from chaos.system import device_settings
from earshot.dialogue.v1 import outcome_pb2
from earshot_device import Device
from earshot_local.stack import Stack

LISTEN_ON_S: Final = 0.5
# The cloud's deadline in these tests, and the device's, which is a little later, as in production.
DEADLINE_S: Final = 3.0
SHORT: Final = {
    "answer_timeout_s": 4.0,
    "speech_timeout_s": 2.5,
    "segment_timeout_s": 4.0,
    "playback_speed": 4.0,
}
_NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Outages:
    """The running system, and what passes by on its bus."""

    stack: Stack
    history: History

    async def turn_of(self, here: Home, number: int = 1) -> str:
        """Wait until a device has announced its n-th turn; return the turn's id."""
        async with asyncio.timeout(15):
            while len(found := self._announced(here)) < number:
                await asyncio.sleep(0.01)
        return found[number - 1]

    async def seen(self, turn_id: str, what: str, timeout_s: float = 20.0) -> None:
        """Wait until something about a turn has passed by on the bus."""
        async with asyncio.timeout(timeout_s):
            while not any(what in str(passed) for passed in self.history.turns.get(turn_id, [])):
                await asyncio.sleep(0.01)

    async def outcome(self, here: Home, turn_id: str) -> outcome_pb2.Outcome:
        """Wait until a turn is decided; return its last segment as the stream has it."""
        subject = here.speaker.settings.identity.address.turn_outcome(turn_id)
        async with asyncio.timeout(20):
            while True:
                try:
                    message = await self.history.client.jetstream().get_last_msg("OUTCOMES", subject)
                except (nats.errors.Error, nats.js.errors.Error):
                    await asyncio.sleep(0.05)
                else:
                    return outcome_pb2.Outcome.FromString(message.data or b"")

    async def counted(self, here: Home) -> int:
        """Return how many utterances of a household the shared counters know; 0 where there are none."""
        subject = f"quota.{here.speaker.settings.household_id}.*.utterances"
        try:
            found = await self.history.client.jetstream().stream_info("QUOTAS", subjects_filter=subject)
        except (nats.errors.Error, nats.js.errors.Error):
            return 0
        return sum((found.state.subjects or {}).values())

    def _announced(self, here: Home) -> list[str]:
        own = (turn_id for _, device, turn_id in self.history.starts if device == here.speaker.name)
        # A start may be announced more than once.
        return list(dict.fromkeys(own))


@dataclass(slots=True)
class Home:
    """One device of one household, open."""

    speaker: Speaker
    network: Line
    board: Board
    device: Device
    outages: Outages
    _seeds: Iterator[int] = field(default_factory=itertools.count)

    async def say(self, *, seconds: float = 0.6) -> Turn:
        """Say something and listen to what comes of it."""
        settings = self.speaker.settings
        seed = zlib.crc32(f"{self.speaker.name}/{next(self._seeds)}".encode())
        said = line(ECHO, settings.locale, seconds=seconds, seed=seed, pause_s=0.0, by=self.speaker.name)
        await self.speaker.say(self.device, said)
        return self.speaker.turns[-1]

    def begin(self, *, seconds: float = 0.6) -> asyncio.Task[Turn]:
        """Begin to say something."""
        return asyncio.create_task(self.say(seconds=seconds))

    async def enters(self, phase: Phase) -> None:
        """Wait until the device enters a phase."""
        await self.board.next(phase)

    def turns(self) -> list[Turn]:
        """Return every turn so far, with all that was heard of it until now."""
        return self.speaker.turns

    def told(self) -> str:
        """Return what happened, for people."""
        return "\n\n".join(self.outages.history.told(turn, []) for turn in self.speaker.turns)

    def judged(self) -> list[Verdict]:
        """Judge every turn by what was heard.

        Raises:
            AssertionError: A turn was announced under another id than the one that it ended with.
        """
        announced = set(self.outages._announced(self))
        assert announced <= {turn.turn_id for turn in self.speaker.turns}, self.told()
        return [verdict_of(turn, words()) for turn in self.speaker.turns]


@asynccontextmanager
async def frozen(outages: Outages, *services: str) -> AsyncIterator[None]:
    """SIGSTOP every process of some services meanwhile: gone, and afterwards back as zombies."""
    children = [child for name, child in outages.stack.processes.items() if name.rsplit("-", 1)[0] in services]
    assert len(children) == len(services)
    for child in children:
        child.freeze()
    try:
        yield
    finally:
        for child in children:
            child.thaw()


def clip_alone(turn: Turn) -> bool:
    """Tell whether the device's own apology is all that was heard, once."""
    return [sound for sound in turn.sounds if not isinstance(sound, Silence)] == [Clip("apology")]


def sentences(turn: Turn) -> list[str]:
    """Return what was said in words."""
    return [sound.text for sound in turn.sounds if isinstance(sound, Sentence)]


@asynccontextmanager
async def home(
    outages: Outages, locale: str = "en-US", *, url: str = "", listen_on_s: float = LISTEN_ON_S, **options: Any
) -> AsyncIterator[Home]:
    """Open a household; at the end it listens on for what comes late.

    Args:
        outages: The system.
        locale: Of the household.
        url: Servers to connect to; default: through the household's own network.
        listen_on_s: How long it listens on.
        options: Settings of its device.
    """
    number = next(_NUMBERS)
    async with lines_for(["device"]) as lines:
        network = lines["device"]
        network.leads_to(outages.stack.nats_url)
        board = Board()
        settings = device_settings(outages.stack, number, locale, url=url or network.url, **(SHORT | options))
        speaker = Speaker(settings, board, iter(()))
        async with speaker.present(listen_on_s) as device:
            yield Home(speaker, network, board, device, outages)
