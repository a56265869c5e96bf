"""NLU as a process: it is ready when it has learnt, understands what comes later too, and drains on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.consuming import Delivery
from earshot_chassis.settings import ServiceSettings
from earshot_topology.streams import DIALOGUE_INTERPRETED
from earshot_topology.subjects import TURN_TRANSCRIBED
from support.nats import NatsServer, free_port, nats_server
from support.registered import register
from support.understanding import skill_words

GREETER = "intents: {hello: {data: [{sentences: ['hello there']}]}}"


@contextlib.contextmanager
def started(server: NatsServer, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service as its own process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "earshot_nlu"],
        env={**os.environ, "EARSHOT_NATS_URL": server.url, "EARSHOT_HTTP_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def fetched(port: int, path: str) -> str:
    """Return what a health endpoint says; nothing while it does not answer 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as response:
            return str(response.read().decode())
    except OSError:
        return ""


async def test_process_from_start_to_drain(tmp_path: Path) -> None:
    """A fresh process understands the assistant's intents, learns a skill, counts, logs no words, and leaves cleanly."""
    async with nats_server(tmp_path) as server:
        bus = Bus("dialogue", ServiceSettings(nats_url=server.url))
        await bus.connect()
        seen: asyncio.Queue[interpreter_pb2.TurnInterpreted] = asyncio.Queue()

        async def keep(message: interpreter_pb2.TurnInterpreted, _delivery: Delivery) -> None:
            await seen.put(message)

        bus.handler(DIALOGUE_INTERPRETED, interpreter_pb2.TurnInterpreted, keep)
        await bus.start()

        async def intent_of(turn_id: str, text: str) -> str:
            turn = turn_pb2.TurnContext(
                turn_id=turn_id, household_id="h1", device_id="d1", locale="en-US", time_zone="UTC"
            )
            alternatives = [events_pb2.Alternative(transcript=text)]
            await bus.publish(TURN_TRANSCRIBED, events_pb2.TurnTranscribed(turn=turn, alternatives=alternatives))
            async with asyncio.timeout(5):
                found = await seen.get()
            assert found.turn.turn_id == turn_id
            return found.hypotheses[0].intent if found.hypotheses else ""

        port = free_port()
        with started(server, port) as process:
            async with asyncio.timeout(30):
                while not await asyncio.to_thread(fetched, port, "/readyz"):
                    await asyncio.sleep(0.05)
            assert await intent_of("t1", "never mind") == "assistant.cancel"
            assert await intent_of("t2", "hello there") == ""
            await register(bus.jetstream, [skill_words("greeter", "en-US", GREETER, {"hello": {}})])
            async with asyncio.timeout(2):
                attempt = 0
                while await intent_of(f"t3-{attempt}", "hello there") != "greeter.hello":
                    attempt += 1
                    await asyncio.sleep(0.05)
            metrics = await asyncio.to_thread(fetched, port, "/metrics")
            assert 'earshot_nlu_utterances_total{by="template"' in metrics
            assert "earshot_nlu_interpret_seconds_bucket" in metrics
            process.send_signal(signal.SIGTERM)
            out, _ = await asyncio.to_thread(process.communicate, None, 15)
            assert process.returncode == 0
            assert b"hello there" not in out
            assert b"never mind" not in out
        await bus.stop_consuming(5)
        await bus.close()
