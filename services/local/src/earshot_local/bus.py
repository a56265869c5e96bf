"""The stack's own nats-server: its process, and the streams on it."""

from __future__ import annotations

import os

import nats

from earshot_local.child import Child, Program
from earshot_local.credentials import Credentials
from earshot_local.events import Listener
from earshot_local.home import Home
from earshot_local.nats_server import configuration, program
from earshot_local.ports import HOST, Ports
from earshot_local.probe import accepts
from earshot_topology.apply import apply

_PREFERRED_PORT = 4222


class LocalBus:
    """nats-server in operator mode with everything the topology declares on it."""

    def __init__(self, home: Home, ports: Ports, credentials: Credentials, *, preferred: bool) -> None:
        self.port = ports.take(_PREFERRED_PORT if preferred else 0)
        self._home = home
        self._credentials = credentials

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://{HOST}:{self.port}"

    def child(self, listener: Listener) -> Child:
        """Write the configuration and return the process."""
        config = self._home.nats / "server.conf"
        storage = self._home.nats / "jetstream"
        config.write_text(configuration(port=self.port, storage=storage, trust=self._credentials.trust))
        return Child(
            Program(
                name="nats-server",
                command=(str(program()), "-c", str(config)),
                environment=dict(os.environ),
                log=self._home.logs / "nats-server.log",
                probe=lambda: accepts(HOST, self.port),
            ),
            listener,
        )

    async def apply_topology(self) -> None:
        """Create or update every stream, consumer and bucket."""
        client = await nats.connect(
            self.url,
            user_credentials=str(self._credentials.service("admin")),
            inbox_prefix="_INBOX_admin",
            connect_timeout=2,
            error_cb=_ignore,
        )
        try:
            await apply(client.jetstream())
        finally:
            await client.close()


async def _ignore(_error: Exception) -> None:
    """Leave it to the call that fails to tell."""
