"""Thousands of alarms at one instant, while schedulers and nats-server are killed around it.

Usage: python -m bench.schedule [--alarms N] [--rounds calm,around,midst]

Three rounds on a real nats-server with two schedulers, each with alarms for N devices that are due at one instant:

- calm: nobody is killed.
- around: both schedulers and nats-server are killed with SIGKILL just before the instant and started again so that it
  passes while nobody is there.
- midst: as around, and each scheduler and nats-server once more while the devices ring.

A device counts as the real one does: whatever comes on its subject, and what DIRECTIVES holds whenever it was away, goes
through its DirectiveLog. late_* is from the instant, or from recovery if that is later: the last moment from which
JetStream answers and at least one scheduler says on /readyz that it is ready, both asked every 20 ms until they do, to the moment at
which the device has the directive. What rang before the last recovery counts from the instant or the recovery before it.
Only recoveries from outages that the bench made count, the first after each: a kill of nats-server, or of the last
scheduler that was ready. "Are answered" means within 0.25 s (see Observer): a system that answers more slowly counts as
not recovered yet, and a round whose recovery took more than 5 s from its outage fails.

The floor, in the same run: as many bare scheduled messages, read and acknowledged by a bare nats-py push consumer, with and without a restart of nats-server around the instant.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, StorageType, StreamConfig

from bench.results import machine, percentile, table, write
from earshot_chassis.scheduling import schedule_headers
from support.crowds import (
    Devices,
    Observer,
    SchedulerProcess,
    answers,
    instant_in,
    scheduler_processes,
    set_alarms,
    subject_of,
    until_instant,
)
from support.nats import NatsServer, nats_server

ALARMS = 5_000
LIMIT_S = 1.0
# From an outage to its recovery: nats-server and a scheduler start in less, on a busy machine too.
RECOVERY_LIMIT_S = 5.0
# Alarms that are set a second, at least, on a machine that does nothing else.
_SET_A_SECOND = 150
_SETTLE_S = 60.0
_FLOOR = "BENCH_SCHEDULES"


@dataclass(frozen=True, slots=True)
class Round:
    """One round's figures.

    Attributes:
        lost: Devices that did not ring.
        doubled: Devices that rang more than once.
        late: Seconds from the instant or recovery, of each device.
        recovered_s: From the instant to the last recovery; 0 where nobody was killed.
        recovery_s: The longest recovery, from its outage; 0 where nobody was killed.
        messages: Directives that devices were sent, repetitions included.
    """

    name: str
    lost: int
    doubled: int
    late: Sequence[float]
    recovered_s: float
    recovery_s: float
    messages: int

    @property
    def p99(self) -> float:
        """99th percentile of the lateness."""
        return percentile(self.late, 0.99)


Kills = Callable[[NatsServer, list[SchedulerProcess], Devices, float, int], Awaitable[list[float]]]


async def calm(
    _server: NatsServer, _schedulers: list[SchedulerProcess], _devices: Devices, _at: float, _alarms: int
) -> list[float]:
    """Kill nobody."""
    return []


async def around(
    server: NatsServer, schedulers: list[SchedulerProcess], _devices: Devices, at: float, _alarms: int
) -> list[float]:
    """Kill everything just before the instant; start it again so that the instant passes without anybody.

    Returns when nothing could ring any more.
    """
    await until_instant(at - 0.4)
    schedulers[0].kill()
    await until_instant(at - 0.2)
    outages = [time.time()]
    server.kill()
    schedulers[1].kill()
    await until_instant(at + 0.2)
    server.start()
    for scheduler in schedulers:
        scheduler.start()
    return outages


async def midst(
    server: NatsServer, schedulers: list[SchedulerProcess], devices: Devices, at: float, alarms: int
) -> list[float]:
    """The same, and each once more while devices ring."""
    outages = await around(server, schedulers, devices, at, alarms)
    await devices.until(alarms // 4, _SETTLE_S)
    outages += await restart(schedulers[0], schedulers[1])
    await devices.until(alarms // 2, _SETTLE_S)
    outages.append(time.time())
    server.kill()
    server.start()
    await devices.until(alarms * 3 // 4, _SETTLE_S)
    outages += await restart(schedulers[1], schedulers[0])
    return outages


async def restart(scheduler: SchedulerProcess, other: SchedulerProcess) -> list[float]:
    """Kill a scheduler and start it again; return when, if the other one was not ready: that is an outage, too."""
    alone = not await asyncio.to_thread(other.ready)
    killed = time.time()
    scheduler.restart()
    return [killed] if alone else []


def recovered(outages: Sequence[float], seen: Sequence[float], until: float) -> dict[float, float]:
    """Return the recovery from each outage that the bench made, and how long it took from the last outage before it.

    A recovery is when the observer first asked what was answered within the time that it gives a probe, 0.25 s. A system
    that answers more slowly than that counts as not recovered yet, and what rings after its recovery is late from then only:
    that is why the time that recoveries take has a limit of its own.

    Args:
        outages: When they began.
        seen: When the observer asked and was answered in time.
        until: When it ceased to look. An outage after which it saw nothing has taken until then.
    """
    took: dict[float, float] = {}
    for outage in sorted(outages):
        moment = next((moment for moment in seen if moment > outage), until)
        took[moment] = moment - outage
    return took


async def ring(name: str, kills: Kills, alarms: int) -> Round:
    """Run one round."""
    with tempfile.TemporaryDirectory() as folder:
        async with nats_server(Path(folder)) as server, scheduler_processes(server) as schedulers:
            devices = await Devices.on(server)
            observing = await server.connect()
            due = instant_in(alarms / _SET_A_SECOND + 2)
            at = due.timestamp()
            began = time.time()
            await set_alarms(schedulers, alarms, due)
            took = time.time() - began
            if time.time() > at - 1:
                raise SystemExit(f"setting {alarms} alarms took {took:.1f} s: the machine is too busy to measure")
            async with Observer(observing, schedulers) as observer:
                outages = await kills(server, schedulers, devices, at, alarms)
                await devices.until(alarms, _SETTLE_S)
                recoveries = recovered(outages, observer.able, time.time())
            await devices.read_again()
            with contextlib.suppress(Exception):
                await asyncio.gather(devices.client.close(), observing.close())
    expected = {subject_of(number) for number in range(alarms)}

    def late(heard: float) -> float:
        before = [moment for moment in recoveries if at < moment <= heard]
        return heard - max(at, *before, at)

    return Round(
        name=name,
        lost=len(expected - set(devices.rang)),
        doubled=sum(count > 1 for count in devices.rang.values()),
        late=[late(heard) for heard in devices.first.values()],
        recovery_s=max(recoveries.values(), default=0.0),
        recovered_s=max([moment - at for moment in recoveries if moment > at], default=0.0),
        messages=devices.messages,
    )


async def floor(alarms: int, *, restart: bool) -> list[float]:
    """Return how late bare scheduled messages come to a bare push consumer."""
    with tempfile.TemporaryDirectory() as folder:
        async with nats_server(Path(folder), streams=False) as server:
            client = await server.connect()
            jetstream = client.jetstream()
            await jetstream.add_stream(
                StreamConfig(
                    name=_FLOOR,
                    subjects=["floor.arm.*", "floor.due"],
                    storage=StorageType.FILE,
                    allow_msg_schedules=True,
                    allow_msg_ttl=True,
                    allow_rollup_hdrs=True,
                )
            )
            arrivals: list[float] = []

            async def read(message: Msg) -> None:
                arrivals.append(time.time())
                await message.ack()

            config = ConsumerConfig(max_ack_pending=4_000)
            await jetstream.subscribe(
                "floor.due", durable="floor", stream=_FLOOR, cb=read, manual_ack=True, config=config
            )
            due = instant_in(alarms / 1_000 + 2)
            headers = schedule_headers(due, "floor.due")
            for start in range(0, alarms, 500):
                numbers = range(start, min(alarms, start + 500))
                await asyncio.gather(
                    *(jetstream.publish(f"floor.arm.{number}", b"x" * 120, headers=dict(headers)) for number in numbers)
                )
            at = due.timestamp()
            recovered = at
            if restart:
                await until_instant(at - 0.2)
                server.kill()
                await until_instant(at + 0.2)
                server.start()
                await server.ready()
                while not await answers(jetstream, _FLOOR):
                    await asyncio.sleep(0.02)
                recovered = time.time()
            give_up = time.time() + _SETTLE_S
            while len(arrivals) < alarms and time.time() < give_up:
                await asyncio.sleep(0.05)
            await client.close()
            return [arrival - recovered for arrival in arrivals]


_ROUNDS: dict[str, Kills] = {"calm": calm, "around": around, "midst": midst}


async def measure(alarms: int, names: Sequence[str]) -> int:
    """Measure everything; return the exit code."""
    print(f"{alarms} alarms, {machine()}")
    bare, bare_restarted = await floor(alarms, restart=False), await floor(alarms, restart=True)
    rounds = []
    for name in names:
        rounds.append(await ring(name, _ROUNDS[name], alarms))
        print(f"  {name}: done, {machine()}", flush=True)
    rows: list[list[object]] = [
        [
            each.name,
            alarms,
            each.lost,
            each.doubled,
            *_quantiles(each.late),
            f"{each.recovered_s:.2f}",
            f"{each.recovery_s:.2f}",
            each.messages,
        ]
        for each in rounds
    ]
    rows.append(["floor", alarms, alarms - len(bare), "", *_quantiles(bare), "", "", ""])
    rows.append(["floor, restart", alarms, alarms - len(bare_restarted), "", *_quantiles(bare_restarted), "", "", ""])
    header = [
        "round",
        "alarms",
        "lost",
        "doubled",
        "late p50 s",
        "late p99 s",
        "late max s",
        "recovered s",
        "recovery s",
        "messages",
    ]
    print(table(header, rows))
    figures: dict[str, float | int | None] = {"alarms": alarms}
    for each in rounds:
        figures |= {
            f"{each.name}_lost": each.lost,
            f"{each.name}_doubled": each.doubled,
            f"{each.name}_late_p50_s": percentile(each.late, 0.5),
            f"{each.name}_late_p99_s": each.p99,
            f"{each.name}_late_max_s": max(each.late, default=None),
            f"{each.name}_recovered_s": each.recovered_s,
            f"{each.name}_recovery_s": each.recovery_s,
        }
    figures |= {
        "floor_late_p50_s": percentile(bare, 0.5),
        "floor_late_p99_s": percentile(bare, 0.99),
        "floor_restart_late_p50_s": percentile(bare_restarted, 0.5),
        "floor_restart_late_p99_s": percentile(bare_restarted, 0.99),
    }
    if set(names) == set(_ROUNDS):
        print(write("schedule", figures))
    wrong = [each.name for each in rounds if each.lost or each.doubled]
    slow = [each.name for each in rounds if each.p99 > LIMIT_S]
    down = [each.name for each in rounds if each.recovery_s > RECOVERY_LIMIT_S]
    if wrong:
        print(f"lost or doubled: {', '.join(wrong)}")
    if slow:
        print(f"p99 above {LIMIT_S} s: {', '.join(slow)}")
    if down:
        print(f"recovered only after more than {RECOVERY_LIMIT_S} s: {', '.join(down)}")
    return 1 if wrong or slow or down else 0


def _quantiles(late: Sequence[float]) -> list[str]:
    return [
        f"{value:.3f}" for value in (percentile(late, 0.5), percentile(late, 0.99), max(late, default=float("nan")))
    ]


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Alarms at one instant, under restarts.")
    parser.add_argument("--alarms", type=int, default=ALARMS)
    parser.add_argument("--rounds", default=",".join(_ROUNDS), help="which, separated by commas")
    arguments = parser.parse_args()
    sys.exit(uvloop.run(measure(arguments.alarms, arguments.rounds.split(","))))


if __name__ == "__main__":
    main()
