"""Skills come and go while turns are answered; nobody is restarted for it."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from earshot.dialogue.v1 import outcome_pb2
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import converse


async def intent_of(stack: Stack, text: str, address: DeviceAddress) -> str:
    """Return the intent that a text has at the moment."""
    typed = await converse(stack, text, "en-US", address)
    return str(typed.outcomes[-1].intent)


async def changes_to(stack: Stack, text: str, address: DeviceAddress, intent: str, timeout_s: float) -> float:
    """Wait until a text has an intent; return how long it took."""
    began = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while await intent_of(stack, text, address) != intent:
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_stopping_and_starting_a_skill_unteaches_and_teaches(stack: Stack, address: DeviceAddress) -> None:
    """A skill that stops is forgotten within 2 s, one that starts is known within 2 s of its being ready; no restarts."""
    text = "what's the date today"
    assert await intent_of(stack, text, address) == "clock.get_date"
    others = {name: child.pid for name, child in stack.processes.items() if not name.startswith("clock")}
    replicas = [child for name, child in stack.processes.items() if name.startswith("clock")]
    await asyncio.gather(*(child.stop() for child in replicas))
    forgotten_s = await changes_to(stack, text, address, "", 5)
    for child in replicas:
        child.start()
    await asyncio.gather(*(child.ready() for child in replicas))
    learnt_s = await changes_to(stack, text, address, "clock.get_date", 5)
    assert forgotten_s < 2, forgotten_s
    assert learnt_s < 2, learnt_s
    assert {name: child.pid for name, child in stack.processes.items() if not name.startswith("clock")} == others


async def test_killed_replica_costs_no_turn(stack: Stack, address: DeviceAddress) -> None:
    """While one replica of a skill is killed, the other answers: no turn is lost, none is apologised for."""
    victim = stack.processes["clock-0"]
    pid = victim.pid
    assert pid
    kinds = []

    async def keep_asking() -> None:
        give_up = time.monotonic() + 4
        while time.monotonic() < give_up:
            typed = await converse(stack, "what time is it", "en-US", address)
            kinds.append(typed.outcomes[-1].kind)

    asking = asyncio.create_task(keep_asking())
    await asyncio.sleep(0.5)
    os.kill(pid, signal.SIGKILL)
    await asking
    assert set(kinds) == {outcome_pb2.OUTCOME_KIND_ANSWERED}
    async with asyncio.timeout(30):
        while victim.pid in {pid, None}:
            await asyncio.sleep(0.05)
    await victim.ready()
