"""The small service of tests/chassis as a process, and what a test does with it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from earshot.asr.v1 import events_pb2
from earshot_local import lean
from support.nats import NatsServer, free_port

# As local stacks run services: a start costs half of the CPU.
COMMAND = (sys.executable, "-P", lean.__file__, "small_service")
FOLDER = str(Path(__file__).resolve().parents[1] / "chassis")
TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass(slots=True)
class Running:
    """A service under test."""

    process: subprocess.Popen[str]
    http_port: int

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a page; 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    async def until(self, path: str, status: int, timeout_s: float = 50, reason: str = "") -> str:
        """Wait for a page's status, with a reason in its body; return that."""
        async with asyncio.timeout(timeout_s):
            while True:
                found, body = await asyncio.to_thread(self.get, path)
                if found == status and reason in body:
                    return body
                await asyncio.sleep(0.05)


@contextlib.contextmanager
def running(server: NatsServer, **environment: str) -> Iterator[Running]:
    """Run the small service, with more variables."""
    port = free_port()
    process = subprocess.Popen(
        COMMAND,
        env={"PYTHONPATH": FOLDER, "EARSHOT_NATS_URL": server.url, "EARSHOT_HTTP_PORT": str(port)} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process, port)
    finally:
        process.kill()
        process.communicate()


async def publish(server: NatsServer, turn: str, delay: str = "0") -> None:
    """Publish a turn's transcription, with a trace."""
    event = events_pb2.TurnTranscribed()
    event.turn.turn_id, event.turn.lane = turn, delay
    client = await server.connect()
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    await client.jetstream().publish("turn.transcribed", event.SerializeToString(), headers=headers)
    await client.close()


async def interpreted(server: NatsServer) -> int:
    """Return how many turns were answered."""
    client = await server.connect()
    info = await client.jetstream().stream_info("TURNS", subjects_filter="turn.interpreted")
    await client.close()
    return sum((info.state.subjects or {}).values())
