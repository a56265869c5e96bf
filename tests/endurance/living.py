"""A run: devices come, hold their dialogues, are hung up on in the middle, go; a sample is taken when all have gone.

    round:  all devices connect ─ dialogues ─ the server hangs up on all of them once ─ dialogues end ─ all leave ─ sample

Engines are those of chaos, so that a wrong sound is a wrong answer; devices speak and play as fast as they can.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from chaos.checker import Verdict, verdict_of
from chaos.codewords import LOCALES
from chaos.lines import words
from chaos.phases import Board, Phase
from chaos.records import Turn
from chaos.speaking import Speaker
from chaos.system import NOTE, SERVICES, device_settings, stack
from earshot_local.stack import Stack
from endurance.gathering import Gatherer
from endurance.judging import Trend
from endurance.judging import judge as trend_of
from rolling.dialogues import TURNS, dialogues

WARM_UP: Final = 0.4
_PROCESSES: Final = (*(each for each in SERVICES if each.name in {"asr", "nlu", "dialogue", "tts"}), NOTE)
_ENVIRONMENT: Final = {
    # All of an answer is sent at once: nobody waits for real time.
    "EARSHOT_TTS_LEAD_S": "30",
    # Every answer is another one: what is kept of them is full before the warm-up is over.
    "EARSHOT_TTS_CACHE": "memory",
    "EARSHOT_TTS_CACHE_BYTES": "2000000",
    "EARSHOT_LOG_LEVEL": "warning",
    # No household speaks as quickly as these.
    "EARSHOT_ASR_QUOTA_UTTERANCES": "0",
    "EARSHOT_ASR_QUOTA_BYTES": "0",
}
_DEVICE: Final[dict[str, Any]] = {"capture_speed": 8.0, "playback_speed": 8.0}
_CLIENT: Final = "earshot-device/"
_CONCEALED: Final = "concealed="


@dataclass(slots=True)
class Life:
    """What a run came to.

    Attributes:
        turns: How many there were.
        reconnects: Devices that connected anew, and connections that were taken up again after the server had hung up.
        wrong: Turns that were not answered rightly, as people read it.
        concealed: Turns with a frame of silence, at most as many as connections were hung up in their round: any more are
            wrong. A device waits 0.4 s at a gap; at its own pace it has seconds of sound in
            hand before it, at this one it has them played before it is connected again.
        trends: Every series, judged.
        seconds: How long it took.
    """

    turns: int = 0
    reconnects: int = 0
    wrong: list[str] = field(default_factory=list)
    concealed: int = 0
    trends: list[Trend] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def growing(self) -> list[Trend]:
        """Series that grow."""
        return [trend for trend in self.trends if trend.grows]

    @property
    def passed(self) -> bool:
        """Whether nothing grew and every turn was answered."""
        return not (self.growing or self.wrong)


async def live(
    home: Path,
    *,
    turns: int,
    reconnects: int,
    devices: int,
    replicas: int,
    say: Callable[[str], None],
    dialogues_a_round: int = 1,
    warm_up: float = WARM_UP,
    round_s: float = 0.0,
) -> Life:
    """Run rounds until there were so many turns and reconnects, and at least three after the warm-up.

    Args:
        home: Where the system keeps its state.
        turns: At least so many.
        reconnects: At least so many.
        devices: How many talk at once.
        replicas: Of each service.
        say: Told how it goes.
        dialogues_a_round: That each device holds between two samples.
        warm_up: The share of the turns that is left out.
        round_s: How long a round lasts at least.
    """
    life, began = Life(), time.monotonic()
    async with contextlib.AsyncExitStack() as resources:
        system = await resources.enter_async_context(
            stack(home, services=_PROCESSES, environment=_ENVIRONMENT, tracestore=True, replicas=replicas)
        )
        await system.ready()
        gatherer = await Gatherer.of(system)
        resources.push_async_callback(gatherer.close)
        number = 0
        while life.turns < turns or life.reconnects < reconnects or number < _least_rounds(warm_up):
            over = time.monotonic() + round_s
            await _round(system, gatherer, life, number, devices, dialogues_a_round)
            await gatherer.sample(life.turns)
            await asyncio.sleep(over - time.monotonic())
            number += 1
            if number % 10 == 0:
                say(f"{life.turns} turns, {life.reconnects} reconnects, {time.monotonic() - began:.0f} s")
        life.trends = [trend_of(series, warm_up=warm_up) for series in gatherer.series()]
    life.seconds = time.monotonic() - began
    return life


def _least_rounds(warm_up: float) -> int:
    # Three samples are left, and where there is a warm-up one to spare: a sample lies at its very end.
    return math.ceil(3 / (1 - warm_up)) + bool(warm_up)


async def _round(
    system: Stack, gatherer: Gatherer, life: Life, number: int, devices: int, dialogues_a_round: int
) -> None:
    board = Board()
    speakers = []
    for device in range(devices):
        locale = LOCALES[device % len(LOCALES)]
        lines = dialogues(f"{number}/{device}", locale, seconds=(0.3, 0.6), pause_s=0.0)
        settings = device_settings(system, device, locale, **_DEVICE)
        speakers.append(Speaker(settings, board, islice(lines, TURNS * dialogues_a_round)))
    talking = asyncio.gather(*(speaker.converse(asyncio.Event(), 0.0) for speaker in speakers))
    await board.next(Phase.WAITING)
    kicked = await gatherer.kick(_CLIENT)
    await talking
    turns = [turn for speaker in speakers for turn in speaker.turns]
    life.reconnects += kicked + (devices if number else 0)
    said = words()
    count(life, [(turn, verdict_of(turn, said)) for turn in turns], kicked)


def count(life: Life, judged: Sequence[tuple[Turn, Verdict]], kicked: int) -> None:
    """Add a round's turns to a life.

    Args:
        life: Has all rounds before.
        judged: Turns and what they came to.
        kicked: Connections that were hung up; for each, one turn may have a frame of silence.
    """
    life.turns += len(judged)
    forgiven = 0
    for turn, verdict in judged:
        if verdict is Verdict.WRONG and _CONCEALED in turn.note and forgiven < kicked:
            forgiven += 1
        elif verdict is not Verdict.ANSWERED:
            life.wrong.append(f"{turn.device} {turn.turn_id} {verdict}: {turn.said!r}: {turn.note}")
    life.concealed += forgiven
