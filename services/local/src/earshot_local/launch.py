"""Making a supervised process of a replica."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from earshot_local.child import Child, Program
from earshot_local.credentials import Credentials
from earshot_local.events import Listener
from earshot_local.home import Home
from earshot_local.plan import Replica, replica_environment
from earshot_local.probe import http_ready
from earshot_local.sources import folder_of


def service_child(
    replica: Replica,
    shared: Mapping[str, str],
    *,
    home: Home,
    credentials: Credentials,
    listener: Listener,
    grace_s: float,
    fresh: bool = False,
    log: Path | None = None,
) -> Child:
    """Return a service's process, not started yet.

    Args:
        replica: What to run.
        shared: The environment that all services have in common.
        home: Where its log goes.
        credentials: Where its role's file is.
        listener: Told of its states.
        grace_s: How long it may take to end after SIGTERM.
        fresh: Whether it is started from nothing, never forked.
        log: Where its output goes; None: to the log of its name.
    """
    role = replica.service.role
    own = replica_environment(replica, credentials.service(role) if role else None)

    async def probe() -> bool:
        return await http_ready(f"{replica.http_url}/readyz")

    program = Program(
        name=replica.name,
        command=replica.command,
        environment={**shared, **own},
        log=log or home.log_of(replica.name),
        probe=probe,
        grace_s=grace_s,
        sources=folder_of(replica.service.module),
        fresh=fresh,
    )
    return Child(program, listener)


def tracestore_environment(database: Path, port: int) -> dict[str, str]:
    """Return the trace store's own settings. It exports no spans: it would record its work, then the recording of that."""
    return {
        "EARSHOT_TRACESTORE_DATABASE": str(database),
        "EARSHOT_TRACESTORE_PORT": str(port),
        "OTEL_TRACES_EXPORTER": "none",
    }
