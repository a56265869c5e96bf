"""Skills come and go while turns are answered; nobody is restarted for it."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from earshot.dialogue.v1 import outcome_pb2
from earshot_device import TurnResult
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import converse, device, speech

SPOKEN = "play some jazz"
TAUGHT_S = 2.0


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


async def spoken(stack: Stack, address: DeviceAddress) -> TurnResult:
    """Ask for music aloud."""
    samples = await speech(stack, SPOKEN, "en-US")
    async with device(stack, address) as speaking:
        return await speaking.say(samples)


def intents(result: TurnResult) -> list[str]:
    """Return the intents that a turn was answered by."""
    return [segment.intent for segment in result.segments]


async def test_stopping_and_starting_a_skill_unteaches_and_teaches(stack: Stack, address: DeviceAddress) -> None:
    """A skill that stops is forgotten within 2 s, one that starts is known within 2 s of its being ready; no restarts.

    That holds for what is typed and for what is spoken: an utterance that begins 2 s after the change can't be heard as
    the words of a skill that is gone, and is heard as those of one that has come.
    """
    assert await intent_of(stack, SPOKEN, address) == "music.play"
    others = {name: child.pid for name, child in stack.processes.items() if not name.startswith("music")}
    replicas = [child for name, child in stack.processes.items() if name.startswith("music")]
    await asyncio.gather(*(child.stop() for child in replicas))
    stopped = time.monotonic()
    forgotten_s = await changes_to(stack, SPOKEN, address, "", 5)
    await asyncio.sleep(stopped + TAUGHT_S - time.monotonic())
    untaught = await spoken(stack, address)
    for child in replicas:
        child.start()
    await asyncio.gather(*(child.ready() for child in replicas))
    ready = time.monotonic()
    learnt_s = await changes_to(stack, SPOKEN, address, "music.play", 5)
    await asyncio.sleep(ready + TAUGHT_S - time.monotonic())
    taught = await spoken(stack, address)
    assert forgotten_s < TAUGHT_S, forgotten_s
    assert learnt_s < TAUGHT_S, learnt_s
    assert "music.play" not in intents(untaught)
    assert "jazz" not in untaught.transcript, "the recogniser still knows the words"
    assert intents(taught) == ["music.play"]
    assert taught.transcript == SPOKEN
    assert {name: child.pid for name, child in stack.processes.items() if not name.startswith("music")} == others


async def test_killed_replica_costs_no_turn(stack: Stack, address: DeviceAddress) -> None:
    """While one replica of a skill is killed, the other answers: no turn is lost, none is apologised for."""
    victim = stack.processes["clock-0"]
    pid = victim.pid
    assert pid
    kinds = []

    async def keep_asking() -> None:
        give_up = time.monotonic() + 2.5
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
