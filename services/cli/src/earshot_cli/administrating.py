"""Where a bus is and who administers it: the running stack's, or any that is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from earshot_cli.errors import BadArgumentError
from earshot_cli.stackfinder import running_stack

Url = Annotated[
    str, typer.Option("--url", envvar="EARSHOT_BUS_URL", help="Servers, comma separated; default: the running stack's.")
]
AdminCredentials = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        envvar="EARSHOT_BUS_CREDENTIALS",
        help="Administrator's credentials file, where --url is given.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """A bus and its administrator.

    Attributes:
        url: Servers, comma separated.
        credentials: Credentials file; None only for a server without authentication.
        nodes: How many servers it has, where that is known; else 0.
    """

    url: str
    credentials: Path | None
    nodes: int = 0


def find_bus(url: str, credentials: Path | None) -> Bus:
    """Return the bus that is meant.

    Raises:
        NotRunningError: None is named, and no stack is running.
        BadArgumentError: The credentials file is missing.
    """
    if not url:
        target = running_stack()
        admin = target.home.credentials / "admin.creds"
        return Bus(url=target.running.nats_url, credentials=credentials or admin, nodes=target.running.nodes)
    if credentials is not None and not credentials.is_file():
        raise BadArgumentError(f"there is no credentials file {credentials}")
    return Bus(url=url, credentials=credentials)
