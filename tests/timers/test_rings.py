"""From "set a timer" to the device that rings until somebody says stop, with real processes, and with some of them killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from earshot_device import Device, OutcomeKind
from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_skillkit import Schedule
from earshot_skillkit.scheduler_client import GrpcScheduler
from earshot_topology.subjects import DeviceAddress
from support.ringing import Ear, until
from support.stack import converse, device, speech

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

NEEDED = {"asr", "nlu", "dialogue", "tts", "scheduler", "timers"}
SwitchOn = Callable[..., AsyncIterator[Device]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run what timers take: two schedulers, two timers skills."""
    wanted = [service for service in SERVICES if service.name in NEEDED]
    home = tmp_path_factory.mktemp("stack")
    async with Stack(home=home, services=wanted, scale={"scheduler": 2, "timers": 2}, tracestore=False) as running:
        await running.ready(90)
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def switch_on(stack: Stack, tmp_path) -> AsyncIterator[Callable[[DeviceAddress, str], object]]:
    """Return a function that switches a device on."""
    async with AsyncExitStack() as opened:

        async def on(address: DeviceAddress, locale: str) -> tuple[Device, Ear]:
            ear = Ear()
            one = device(stack, address, locale, sink=ear, state_file=tmp_path / "state.json")
            return await opened.enter_async_context(one), ear

        yield on


async def schedules(stack: Stack, address: DeviceAddress) -> tuple[Schedule, ...]:
    """Return what is set in a household."""
    client = GrpcScheduler(stack.grpc_target("scheduler"))
    try:
        deadline = datetime.now(UTC) + timedelta(seconds=10)
        return await client.listed(address.household, device_id="", kinds=(), deadline=deadline)
    finally:
        await client.close()


async def over(stack: Stack, address: DeviceAddress) -> None:
    """Wait until nothing is set in a household any more."""
    async with asyncio.timeout(20):
        while await schedules(stack, address):
            await asyncio.sleep(0.05)


async def back(stack: Stack) -> None:
    """Wait until whoever was killed is there again, and everybody knows."""
    await stack.ready(60)
    nobody = DeviceAddress("house-nobody", "kitchen")
    async with asyncio.timeout(60):
        while (await converse(stack, "how much time is left", "en-US", nobody)).keys != ["timers.no_timers"]:
            await asyncio.sleep(0.1)


SPOKEN = [
    ("en-US", "set a timer for three seconds", "stop"),
    ("zh-CN", "定一个三秒的计时器", "停一下"),
]


@pytest.mark.parametrize(("locale", "said", "stop"), SPOKEN)
async def test_spoken_timer_rings_until_stop(stack: Stack, switch_on, locale: str, said: str, stop: str) -> None:
    """A timer that was asked for aloud rings on the device; "stop" ends it there and with the scheduler."""
    address = DeviceAddress(f"house-{locale}", "kitchen")
    kitchen, ear = await switch_on(address, locale)
    result = await kitchen.say(await speech(stack, said, locale))
    assert result.kind is OutcomeKind.ANSWERED, result
    assert result.segments[-1].intent == "timers.set_timer"
    await until(lambda: kitchen.ringing)
    await until(lambda: "ring" in ear.heard)
    ends = await kitchen.say(await speech(stack, stop, locale))
    assert ends.kind is OutcomeKind.CANCELLED, ends
    await until(lambda: not kitchen.ringing)
    await over(stack, address)


async def test_timer_rings_although_everybody_is_killed_meanwhile(stack: Stack, switch_on) -> None:
    """Both schedulers and both skills are killed between setting and ringing: it rings, once, and can be snoozed and stopped."""
    address = DeviceAddress("house-killed", "kitchen")
    kitchen, ear = await switch_on(address, "en-US")
    assert (await converse(stack, "set a timer for five seconds", "en-US", address)).keys == ["timers.timer_set"]
    (timer,) = await schedules(stack, address)
    for name in ("scheduler-0", "scheduler-1", "timers-0", "timers-1"):
        os.kill(stack.processes[name].pid, signal.SIGKILL)
    await until(lambda: kitchen.ringing)
    assert [each.occurrence_id.split(".")[0] for each in kitchen.ringing] == [timer.schedule_id]
    await back(stack)
    answer = await converse(stack, "snooze for ten minutes", "en-US", address)
    assert answer.keys == ["timers.snoozed"]
    await until(lambda: not kitchen.ringing)
    left = await converse(stack, "how much time is left", "en-US", address)
    assert left.keys == ["timers.timer_left"]
    assert (await converse(stack, "cancel the timer", "en-US", address)).keys == ["timers.timer_cancelled"]
    await over(stack, address)
    assert ear.heard.count("ring") == 1


async def test_killed_scheduler_costs_no_turn(stack: Stack) -> None:
    """While one scheduler is killed, timers are set and cancelled as ever, each of them once."""
    address = DeviceAddress("house-lost", "kitchen")
    await back(stack)
    os.kill(stack.processes["scheduler-0"].pid, signal.SIGKILL)
    for name in ("pasta", "rice", "tea"):
        said = await converse(stack, f"set a {name} timer for ten minutes", "en-US", address)
        assert said.keys == ["timers.named_timer_set"], said.answer
    assert sorted(timer.label for timer in await schedules(stack, address)) == ["pasta", "rice", "tea"]
    assert (await converse(stack, "cancel all timers", "en-US", address)).answer == "All 3 timers cancelled."
    await over(stack, address)


async def test_question_and_short_reply(stack: Stack) -> None:
    """What is missing is asked for, and the bare reply fills it, through every real service."""
    address = DeviceAddress("house-asked", "kitchen")
    await back(stack)
    asked = await converse(stack, "set a timer", "en-US", address)
    assert (asked.answer, asked.outcomes[-1].expects_reply) == ("For how long?", True)
    assert (await converse(stack, "ten minutes", "en-US", address)).answer == "Timer set for 10 minutes."
    assert (await converse(stack, "cancel the timer", "en-US", address)).answer == "10 minute timer cancelled."
