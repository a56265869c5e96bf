"""The dialogue as a process: it is killed in the middle of an answer, and another replica goes on; it drains on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from earshot.common.v1 import turn_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.skill.v1 import skill_pb2
from earshot_dialogue.skills.caller import ATTEMPTS_PER_DELIVERY
from earshot_topology.subjects import TURN_INTERPRETED, DeviceAddress
from support.dialogues import Place, dialogue_on, hypothesis
from support.fake_skill import answer, fake_skill, register, weather
from support.nats import NatsServer, free_port, nats_server

HOME = DeviceAddress("h1", "d1")


@contextlib.contextmanager
def started(server: NatsServer, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service as its own process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "earshot_dialogue"],
        env={**os.environ, "EARSHOT_NATS_URL": server.url, "EARSHOT_HTTP_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def is_ready(port: int) -> bool:
    """Tell whether a service says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False


async def until_ready(port: int) -> None:
    """Wait until a service says that it is ready."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(is_ready, port):
            await asyncio.sleep(0.05)


def forecast(turn_id: str) -> bytes:
    """Return a turn that the weather skill can answer."""
    turn = turn_pb2.TurnContext(
        turn_id=turn_id,
        household_id=HOME.household,
        device_id=HOME.device,
        locale="en-US",
        modality=turn_pb2.MODALITY_VOICE,
    )
    event = interpreter_pb2.TurnInterpreted(
        turn=turn, hypotheses=[hypothesis("weather.get_forecast", city="Paris")], transcript="words"
    )
    return event.SerializeToString()


async def test_an_answer_survives_the_dialogue_that_was_giving_it(tmp_path: Path) -> None:
    """SIGKILL after the first segment: the turn is delivered again and its answer continued, once and under one id."""
    reached = asyncio.Event()
    attempts: list[int] = []

    async def stuck_once(request: skill_pb2.HandleRequest, _context: object) -> AsyncIterator[skill_pb2.HandleResponse]:
        attempts.append(request.attempt)
        yield answer("First.", final=False)
        if len(attempts) == 1:
            reached.set()
            await asyncio.sleep(30)
        yield answer("Second.")

    description = weather()
    description.timeout.FromSeconds(20)
    port = free_port()
    async with nats_server(tmp_path) as server, fake_skill(description, stuck_once) as skill:
        client = await server.connect()
        await register(client, skill)
        with started(server, port) as victim:
            await until_ready(port)
            await register(client, skill)
            await client.jetstream().publish(TURN_INTERPRETED, forecast("t1"))
            await asyncio.wait_for(reached.wait(), 10)
            victim.send_signal(signal.SIGKILL)
        async with dialogue_on(server, live=[skill]) as heir:
            segments = await Place(heir, HOME).outcome("t1")
        await client.close()
    assert [each.prompts[0].text for each in segments] == ["First.", "Second."]
    assert len({each.outcome_id for each in segments}) == 1
    assert attempts == [1, 1 + ATTEMPTS_PER_DELIVERY]


async def test_a_dialogue_that_is_asked_to_leave_finishes_its_turns(tmp_path: Path) -> None:
    """SIGTERM while a skill works: the answer is given, then the process ends without an error."""
    reached = asyncio.Event()

    async def slow(_request: skill_pb2.HandleRequest, _context: object) -> AsyncIterator[skill_pb2.HandleResponse]:
        reached.set()
        await asyncio.sleep(0.5)
        yield answer("Sunny.")

    port = free_port()
    async with nats_server(tmp_path) as server, fake_skill(weather(), slow) as skill:
        client = await server.connect()
        await register(client, skill)
        with started(server, port) as leaver:
            await until_ready(port)
            await client.jetstream().publish(TURN_INTERPRETED, forecast("t2"))
            await asyncio.wait_for(reached.wait(), 10)
            leaver.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(leaver.wait, 10) == 0
        message = await client.jetstream().get_last_msg("OUTCOMES", HOME.turn_outcome("t2"))
        left = await client.jetstream().stream_info("TURNS")
        await client.close()
    assert b"Sunny." in (message.data or b"")
    assert left.state.messages == 0
