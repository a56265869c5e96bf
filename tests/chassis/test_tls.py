"""A bus that speaks TLS with a certificate of one's own authority: services, their handlers and the topology's command."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from earshot.asr.v1 import events_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.consuming import Delivery
from earshot_chassis.errors import PermanentError
from earshot_chassis.settings import ServiceSettings
from earshot_topology.streams import NLU_TRANSCRIBED
from support.certificates import OPENSSL, make, server_options
from support.nats import NatsServer, nats_server

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="certificates are made by openssl")


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with an authority, ca.crt, and the certificate and key of a server on this machine that it signed."""
    make(tmp_path, "IP:127.0.0.1")
    return tmp_path


@pytest_asyncio.fixture
async def server(certificates: Path) -> AsyncIterator[NatsServer]:
    """A nats-server that refuses whoever speaks no TLS."""
    config = certificates / "nats.conf"
    config.write_text(server_options(certificates))
    async with nats_server(certificates / "store", streams=False, config=config) as running:
        yield running


async def test_a_service_talks_to_a_bus_with_a_certificate_of_our_own(server: NatsServer, certificates: Path) -> None:
    """Both of a service's connections check the server by the given authority; so does the command that makes streams."""
    url = f"tls://127.0.0.1:{server.port}"
    apply = [sys.executable, "-m", "earshot_topology.apply", "--url", url]
    for told, code in (({}, 1), ({"EARSHOT_NATS_CA": str(certificates / "ca.crt")}, 0)):
        done = await asyncio.to_thread(
            subprocess.run, apply, env={**os.environ, **told}, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
    settings = ServiceSettings(nats_url=url, nats_ca=certificates / "ca.crt")
    bus = Bus("nlu", settings)
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def handle(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        await heard.put(event.turn.turn_id)

    await bus.connect()
    bus.handler(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
    await bus.start()
    try:
        message = events_pb2.TurnTranscribed()
        message.turn.turn_id = "t1"
        await bus.publish("turn.transcribed", message)
        assert await asyncio.wait_for(heard.get(), 20) == "t1"
    finally:
        await bus.stop_consuming(5)
        await bus.close()


def test_authorities_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    """A service that is told of a file that is missing, or holds no certificate, does not begin, and says why."""
    nothing = tmp_path / "ca.crt"
    for _ in range(2):
        with pytest.raises(PermanentError) as caught:
            Bus("nlu", ServiceSettings(nats_ca=nothing)).check_credentials()
        assert caught.value.code == "authorities_unreadable"
        nothing.write_text("no certificate")
