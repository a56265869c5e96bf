"""earshot restart: start a process of the running stack anew."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Annotated, Any

import typer

from earshot_cli.board import trouble
from earshot_cli.errors import NotFoundError, UnreachableError
from earshot_cli.options import Json
from earshot_cli.output import Output
from earshot_cli.stackfinder import Target, running_stack
from earshot_local.events import State

_PATIENCE_S = 60.0
_POLL_S = 0.1


def restart(
    name: Annotated[str, typer.Argument(help="A service or skill, dice, or one process of it, dice-0.")],
    *,
    as_json: Json = False,
) -> None:
    """End NAME's processes, so that the stack starts them anew, and wait; exits 1 when one can't start."""
    output = Output(as_json=as_json)
    target = running_stack()
    before = _named(target, name)
    for process in before:
        if process["pid"]:
            with suppress(ProcessLookupError):
                os.kill(process["pid"], signal.SIGTERM)
    after = [_started(target, process) for process in before]
    output.document({"processes": after})
    for process in after:
        output.show(trouble(process) if process["ending"] else f"{process['name']} is ready (process {process['pid']})")
    if any(process["state"] != State.READY for process in after):
        raise typer.Exit(1)


def _named(target: Target, name: str) -> list[dict[str, Any]]:
    known = target.home.processes()
    found = [process for process in known if name in {process["name"], process["name"].rpartition("-")[0]}]
    if not found:
        names = ", ".join(process["name"] for process in known) or "none: the services run elsewhere"
        raise NotFoundError(f"no process is called {name[:80]!r}; there are {names}")
    return found


def _started(target: Target, before: dict[str, Any]) -> dict[str, Any]:
    """Wait until a process has been started anew: it is ready, or its new start has failed."""
    # The end that was asked for counts as one; a process that had crashed is started anew without it.
    failed = before["restarts"] + (2 if before["pid"] else 1)
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        # Gone while it was being looked at: the stack has ended.
        target.home.running()
        now = next((each for each in target.home.processes() if each["name"] == before["name"]), before)
        if now["state"] == State.READY and now["pid"] != before["pid"]:
            return now
        if now["state"] == State.CRASHED and now["restarts"] >= failed:
            return now
        time.sleep(_POLL_S)
    raise UnreachableError(f"{before['name']} is not ready after {_PATIENCE_S:.0f} s; its log: {before['log']}")
