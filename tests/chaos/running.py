"""A run: devices talk, faults happen, what was heard is judged."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.checker import Judgement, judge
from chaos.codewords import LOCALES
from chaos.cutting import lines_for
from chaos.history import History
from chaos.inflicting import Inflictor, NotRecoveredError
from chaos.lines import lines, words
from chaos.outside import URL, Outside
from chaos.phases import Board
from chaos.process import LINES
from chaos.records import Inflicted, Turn
from chaos.schedule import Blow, deck, schedule
from chaos.servers import Servers
from chaos.speaking import Speaker
from chaos.system import (
    CLUSTER_DEVICE,
    CLUSTER_ENVIRONMENT,
    SERVICES,
    device_name,
    device_settings,
    process_names,
    stack,
)

_LATE_S = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run came to.

    Attributes:
        judgement: The checker's.
        turns: As heard.
        faults: As inflicted.
        seconds: How long the devices talked.
        told: Each offending turn's history.
        broken_off: Why faults ended early; empty: they did not.
    """

    judgement: Judgement
    turns: Sequence[Turn]
    faults: Sequence[Inflicted]
    seconds: float
    told: Sequence[str]
    broken_off: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing happened that may not."""
        return not self.judgement.offences and not self.broken_off


async def run(home: Path, *, seed: str, seconds: float, devices: int, nodes: int) -> Run:
    """Let devices talk for a while under a seeded schedule of faults.

    Args:
        home: Where the system keeps its state.
        seed: Decides what is said and which faults happen.
        seconds: How long faults go on.
        devices: How many talk.
        nodes: Servers of the bus, 1 or 3.
    """
    names = process_names(SERVICES)
    async with contextlib.AsyncExitStack() as resources:
        cables = await resources.enter_async_context(
            lines_for([*names, *map(device_name, range(devices))], nodes=nodes)
        )
        outside = Outside()
        url = await resources.enter_async_context(outside.open())
        patience = CLUSTER_ENVIRONMENT if nodes > 1 else {}
        environment = {**patience, URL: url, LINES: json.dumps({name: cables[name].url for name in names})}
        system = await resources.enter_async_context(stack(home, environment=environment, nodes=nodes))
        for cable in cables.values():
            cable.leads_to(system.nats_url)
        await system.ready()
        history = await History.of(system.nats_url, str(system.creds("admin")))
        board = Board()
        inflictor = Inflictor(system, board, cables, Servers(history.client.jetstream()))
        speakers = [
            Speaker(
                device_settings(
                    system, number, locale, url=cables[device_name(number)].url, **(CLUSTER_DEVICE if nodes > 1 else {})
                ),
                board,
                lines(f"{seed}/{number}", locale),
            )
            for number, locale in zip(range(devices), itertools.cycle(LOCALES), strict=False)
        ]
        blows = schedule(seed, deck([each.name for each in SERVICES], nodes=nodes, cuts=True))
        began = time.monotonic()
        broken_off = await _talk(speakers, inflictor, blows, seconds)
        turns = [turn for speaker in speakers for turn in speaker.turns]
        judgement = judge(turns, outside.effects, inflictor.inflicted, words())
        told = [
            history.told(offence.turn, inflictor.inflicted)
            for offence in judgement.offences
            if offence.turn is not None
        ]
        await history.close()
        return Run(
            judgement=judgement,
            turns=turns,
            faults=inflictor.inflicted,
            seconds=time.monotonic() - began,
            told=told,
            broken_off=broken_off,
        )


async def _talk(speakers: Sequence[Speaker], inflictor: Inflictor, blows: Iterator[Blow], seconds: float) -> str:
    """Let everybody talk while faults happen; return why they ended early, if they did."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for speaker in speakers:
            group.create_task(speaker.converse(stop, _LATE_S))
        try:
            async with asyncio.timeout(seconds):
                for blow in blows:
                    await inflictor.strike(blow)
        except NotRecoveredError as error:
            return f"did not come back: {error}"
        except TimeoutError:
            pass
        finally:
            stop.set()
    return ""
