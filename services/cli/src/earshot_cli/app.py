"""The earshot command: its commands, and how it ends when one fails."""

from __future__ import annotations

import os
import sys

import typer
from rich.console import Console

from earshot_cli.commands import (
    ask,
    attach,
    bus,
    capacity,
    cluster,
    credentials,
    demo,
    device,
    models,
    parked,
    restart,
    scaling,
    status,
    turns,
    up,
)
from earshot_cli.errors import sentence
from earshot_cli.lifetime import Interrupted
from earshot_cli.output import write_json

app = typer.Typer(
    help="Earshot on this machine. State is kept in .earshot, or in the folder that EARSHOT_HOME names.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(up.up)
app.command()(demo.demo)
app.command()(ask.ask)
app.command()(attach.attach)
app.command()(status.status)
app.command()(restart.restart)
app.command()(turns.turns)
app.command()(turns.trace)
app.command()(capacity.capacity)
app.command()(scaling.scaling)
app.add_typer(device.app, name="device")
app.add_typer(models.app, name="models")
app.add_typer(bus.app, name="bus")
app.add_typer(credentials.app, name="credentials")
app.add_typer(parked.app, name="parked")
app.add_typer(cluster.app, name="cluster")


def main() -> None:
    """Run the command. What it raises becomes one sentence on stderr, and exit code 1, or 2 of a usage error."""
    try:
        app()
    except Interrupted:
        raise SystemExit(130) from None
    except Exception as error:
        if os.environ.get("EARSHOT_DEBUG"):
            raise
        code, message = sentence(error)
        if "--json" in sys.argv[1:]:
            write_json({"error": {"code": code, "message": message}})
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"earshot: {message}", markup=False)
        raise SystemExit(getattr(error, "exit_code", 1)) from None
