"""Skills come and go while turns are answered; nobody is restarted for it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable

import grpc

from earshot.dialogue.v1 import assistant_pb2, assistant_pb2_grpc, outcome_pb2
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import CUT_OFF
from earshot_device import TurnResult
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import converse, device, speech

SPOKEN = "play some jazz"
TAUGHT_S = 2.0
# A vocabulary costs a second of CPU for each language (tests/asr_engines/test_vocabulary_swap.py holds it to that), which the tests
# beside this one want, too.
HEARD_S = 8.0


async def intent_of(stack: Stack, text: str, address: DeviceAddress) -> str:
    """Return the intent that a text has at the moment."""
    typed = await converse(stack, text, "en-US", address)
    return str(typed.outcomes[-1].intent)


def allowed_s() -> float:
    """Return how long a change may take: longer on a machine where more wants to run than it has cores for."""
    return TAUGHT_S * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def changes_to(stack: Stack, text: str, address: DeviceAddress, intent: str, timeout_s: float) -> float:
    """Wait until a text has an intent; return how long it took."""
    began = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while await intent_of(stack, text, address) != intent:
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def spoken(stack: Stack, address: DeviceAddress, since: float, *, known: bool) -> TurnResult:
    """Ask for music aloud, from two seconds after a change on; again as long as the words are known or not as before it."""
    samples = await speech(stack, SPOKEN, "en-US")
    await asyncio.sleep(since + TAUGHT_S - time.monotonic())
    async with device(stack, address) as speaking:
        while True:
            last = time.monotonic() > since + HEARD_S
            heard = await speaking.say(samples)
            if last or ("jazz" in heard.transcript) is known:
                return heard


def intents(result: TurnResult) -> list[str]:
    """Return the intents that a turn was answered by."""
    return [segment.intent for segment in result.segments]


async def test_stopping_and_starting_a_skill_unteaches_and_teaches(stack: Stack, address: DeviceAddress) -> None:
    """A skill that stops is forgotten within 2 s, one that starts is known within 2 s of its being ready; no restarts.

    What is typed. What is spoken takes as long as the vocabulary: soon no utterance is heard as the words of a skill that is
    gone, and the words of one that has come are heard.
    """
    # The stack may have been ready just now.
    await changes_to(stack, SPOKEN, address, "music.play", 10)
    others = {name: child.pid for name, child in stack.processes.items() if not name.startswith("music")}
    replicas = [child for name, child in stack.processes.items() if name.startswith("music")]
    await asyncio.gather(*(child.stop() for child in replicas))
    stopped = time.monotonic()
    forgotten_s = await changes_to(stack, SPOKEN, address, "", 20)
    untaught = await spoken(stack, address, stopped, known=False)
    for child in replicas:
        child.start()
    await asyncio.gather(*(child.ready() for child in replicas))
    ready = time.monotonic()
    learnt_s = await changes_to(stack, SPOKEN, address, "music.play", 20)
    taught = await spoken(stack, address, ready, known=True)
    assert forgotten_s < allowed_s(), forgotten_s
    assert learnt_s < allowed_s(), learnt_s
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


async def kinds_meanwhile(address: DeviceAddress, target: str, change: Awaitable[object]) -> list[int]:
    """Ask for the time over one connection, again and again, until a change is through and twice more; return how turns ended.

    A call that comes in the moment in which its server stops was not begun, and is made once more, as clients do.
    """
    changing = asyncio.ensure_future(change)
    kinds, left, cut_off = [], 2, 0
    async with connect(target) as channel:
        assistant = assistant_pb2_grpc.AssistantStub(channel)
        while left:
            left -= changing.done()
            request = assistant_pb2.ConverseRequest(
                household_id=address.household, device_id=address.device, text="what time is it", locale="en-US"
            )
            try:
                # A connection that the old process was asked for, and did not take any more, is tried again.
                response = await assistant.Converse(request, timeout=12, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                cut_off += 1
                if error.code() not in CUT_OFF or cut_off > 1:
                    raise
                continue
            kinds.append(response.outcomes[-1].kind)
    await changing
    return kinds


async def test_the_only_replica_of_a_skill_is_replaced_and_nobody_notices(stack: Stack, address: DeviceAddress) -> None:
    """While a skill's one process gives way to its successor, every turn is answered; so it is with dialogue's that is asked."""
    other = stack.processes["clock-1"]
    await other.stop()
    try:
        for name in ("clock-0", "dialogue-0"):
            pid = stack.processes[name].pid
            target = stack.grpc_target("dialogue").split(",")[0]
            kinds = await kinds_meanwhile(address, target, stack.restart(name))
            assert set(kinds) == {outcome_pb2.OUTCOME_KIND_ANSWERED}
            assert len(kinds) > 5
            assert stack.processes[name].pid != pid
    finally:
        other.start()
        await other.ready()
