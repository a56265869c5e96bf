"""A real nats-server for a test, with Earshot's streams and no authentication unless a configuration says otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Client

from earshot_chassis.client import QuickClient
from earshot_local.ports import Ports
from earshot_topology.apply import apply

BINARY = Path(sys.executable).parent / "nats-server"


def free_port() -> int:
    """Return a loopback port that nobody uses at the moment, nor takes for an outgoing connection meanwhile."""
    return Ports().take()


@dataclass(slots=True)
class NatsServer:
    """A running nats-server that can be stopped, killed and started again on the same port and storage."""

    port: int
    storage: Path
    config: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process."""
        arguments = [str(BINARY), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.storage)]
        if self.config is not None:
            arguments += ["-c", str(self.config)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """SIGKILL it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    async def ready(self) -> None:
        """Wait until it accepts connections."""
        for _ in range(500):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.01)
        raise TimeoutError("nats-server did not start")

    async def connect(self, **options: object) -> Client:
        """Return a connection that reconnects quickly and reports errors to nobody."""
        defaults: dict[str, object] = {
            "reconnect_time_wait": 0.05,
            "max_reconnect_attempts": -1,
            "error_cb": _ignore,
        }
        client = QuickClient()
        await client.connect(self.url, **(defaults | options))  # type: ignore[arg-type]
        return client


async def _ignore(_error: Exception) -> None:
    pass


@contextlib.asynccontextmanager
async def nats_server(storage: Path, *, streams: bool = True, config: Path | None = None) -> AsyncIterator[NatsServer]:
    """Run a server below a test's tmp_path; with streams, everything the topology declares exists on it."""
    server = NatsServer(port=free_port(), storage=storage, config=config)
    server.start()
    try:
        await server.ready()
        if streams:
            client = await server.connect()
            await apply(client.jetstream())
            await client.close()
        yield server
    finally:
        server.kill()
