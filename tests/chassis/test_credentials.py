"""A credential that does not last, on a real nats-server in operator mode: renewed in time nobody notices, else it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.errors import Error as NatsError

from earshot_chassis.bus import Bus
from earshot_chassis.settings import ServiceSettings
from earshot_local.nats_server import trust_section
from earshot_topology import jwt
from support.nats import NatsServer, nats_server

KEYS = jwt.Keys.generate()


def _write(path: Path, life_s: float) -> Path:
    path.write_text(jwt.skill_user(KEYS.skill_signing, "toy", expires=int(time.time() + life_s)))
    return path


async def _quiet(_error: Exception) -> None:
    pass


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A nats-server that lets in whoever our keys vouch for."""
    config = tmp_path / "nats.conf"
    config.write_text("max_control_line: 32768\n" + trust_section(jwt.trust(KEYS)))
    async with nats_server(tmp_path / "store", streams=False, config=config) as running:
        yield running


async def test_a_connection_follows_its_credential(server: NatsServer, tmp_path: Path) -> None:
    """With another one it connects anew and outlives the first; whoever has a copy of that is cut off, and let in no more."""
    file, copy = _write(tmp_path / "user.creds", 4), tmp_path / "copy.creds"
    copy.write_text(file.read_text())
    settings = ServiceSettings(nats_url=server.url, nats_credentials=file, nats_credentials_look_s=0.05)
    bus = Bus("skill-toy", settings)
    await bus.connect()
    following = asyncio.create_task(bus.follow_credentials())
    copied = await server.connect(user_credentials=str(copy))
    _write(file, 3600)
    async with asyncio.timeout(30):
        while not bus.client.stats["reconnects"] or not copied.is_closed:
            await asyncio.sleep(0.05)
    # It is good for the whole of its last second.
    await asyncio.sleep(1.0)
    late = Client()
    with pytest.raises(NatsError, match="Authorization"):
        await late.connect(server.url, user_credentials=str(copy), allow_reconnect=False, error_cb=_quiet)
    await late.close()
    await copied.close()
    await bus.client.flush()
    assert bus.client.is_connected
    assert bus.client.stats["reconnects"] == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bus.lost(), 0.1)
    following.cancel()
    await bus.close()
