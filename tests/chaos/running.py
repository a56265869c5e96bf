"""A run: devices talk, faults happen, what was heard is judged."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
from chaos.routes import routes_between
from chaos.schedule import Blow, deck, schedule
from chaos.servers import Servers
from chaos.speaking import Speaker
from chaos.system import (
    CLUSTER_DEVICE,
    CLUSTER_ENVIRONMENT,
    SCHEDULER,
    SERVICES,
    device_name,
    device_settings,
    process_names,
    stack,
)
from chaos.timer_checker import TimerJudgement, judge_timers
from chaos.timer_history import TimerHistory
from chaos.timer_setting import TimerUser
from earshot_skillkit.scheduler_client import GrpcScheduler

_LATE_S = 6.0
_HIT: Final = (*SERVICES, SCHEDULER)
# A run is over before a device asks by itself for what its connection did not bring: in production it does so once a minute.
_ASKS_EVERY_S: Final = 5.0
# They ring, and do not talk: their loudspeakers are judged by ringing alone.
_TIMER_DEVICES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run came to.

    Attributes:
        judgement: The checker's.
        turns: As heard.
        faults: As inflicted.
        seconds: How long the devices talked.
        timers: What the timers' checker says.
        told: Each offending turn's and timer's history.
        broken_off: Why faults ended early; empty: they did not.
    """

    judgement: Judgement
    timers: TimerJudgement
    turns: Sequence[Turn]
    faults: Sequence[Inflicted]
    seconds: float
    told: Sequence[str]
    broken_off: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing happened that may not."""
        return not self.judgement.offences and not self.timers.offences and not self.broken_off


async def run(home: Path, *, seed: str, seconds: float, devices: int, nodes: int, only: Collection[str] = ()) -> Run:
    """Let devices talk for a while under a seeded schedule of faults.

    Args:
        home: Where the system keeps its state.
        seed: Decides what is said and which faults happen.
        seconds: How long faults go on.
        devices: How many talk.
        nodes: Servers of the bus, 1 or 3.
        only: Kinds of faults to inflict; empty: all.
    """
    names = process_names(_HIT)
    speaking, setting = range(devices), range(devices, devices + _TIMER_DEVICES)
    async with contextlib.AsyncExitStack() as resources:
        cables = await resources.enter_async_context(
            lines_for([*names, *map(device_name, (*speaking, *setting))], nodes=nodes)
        )
        routes = await resources.enter_async_context(routes_between(nodes))
        outside = Outside()
        url = await resources.enter_async_context(outside.open())
        patience = CLUSTER_ENVIRONMENT if nodes > 1 else {}
        environment = {**patience, URL: url, LINES: json.dumps({name: cables[name].url for name in names})}
        system = await resources.enter_async_context(
            stack(home, services=_HIT, environment=environment, nodes=nodes, way=routes)
        )
        for cable in cables.values():
            cable.leads_to(system.nats_url)
        await system.ready()
        history = await History.of(system.nats_url, str(system.creds("admin")))
        timer_history = TimerHistory()
        await timer_history.listen(history.client)
        board = Board()
        inflictor = Inflictor(system, board, cables, routes, Servers(history.client.jetstream()))
        scheduler = GrpcScheduler(system.grpc_target(SCHEDULER.name))
        resources.push_async_callback(scheduler.close)
        patient = CLUSTER_DEVICE if nodes > 1 else {}
        settings = {
            number: device_settings(
                system, number, locale, url=cables[device_name(number)].url, directives_every_s=_ASKS_EVERY_S, **patient
            )
            for number, locale in zip((*speaking, *setting), itertools.cycle(LOCALES), strict=False)
        }
        speakers = [
            Speaker(settings[number], board, lines(f"{seed}/{number}", settings[number].locale)) for number in speaking
        ]
        users = [TimerUser(settings[number], scheduler, board, f"{seed}/{number}") for number in setting]
        cards = deck([each.name for each in _HIT], nodes=nodes, cuts=True)
        blows = schedule(seed, [card for card in cards if not only or card[0] in only])
        began = time.monotonic()
        broken_off = await _live(speakers, users, inflictor, blows, seconds)
        if not inflictor.inflicted or not all(speaker.turns for speaker in speakers):
            broken_off = broken_off or "nothing was done to anything, or somebody said nothing"
        turns = [turn for speaker in speakers for turn in speaker.turns]
        judgement = judge(turns, outside.effects, inflictor.inflicted, words())
        told = [
            history.told(offence.turn, inflictor.inflicted)
            for offence in judgement.offences
            if offence.turn is not None
        ]
        timers = [timer for user in users for timer in user.timers]
        rings = [rang for user in users for rang in user.rings]
        timer_judgement = judge_timers(timers, rings, inflictor.inflicted)
        told += [
            timer_history.told(offence, timers, rings, inflictor.inflicted) for offence in timer_judgement.offences
        ]
        await history.close()
        return Run(
            judgement=judgement,
            timers=timer_judgement,
            turns=turns,
            faults=inflictor.inflicted,
            seconds=time.monotonic() - began,
            told=told,
            broken_off=broken_off,
        )


async def _live(
    speakers: Sequence[Speaker],
    users: Sequence[TimerUser],
    inflictor: Inflictor,
    blows: Iterator[Blow],
    seconds: float,
) -> str:
    """Let everybody live while faults happen; return why they ended early, if they did."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for speaker in speakers:
            group.create_task(speaker.converse(stop, _LATE_S))
        for user in users:
            group.create_task(user.live(stop, _LATE_S))
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
