"""earshot status: how the running stack's processes are."""

from __future__ import annotations

import typer

from earshot_cli.board import table, trouble
from earshot_cli.errors import UnreachableError
from earshot_cli.options import Json
from earshot_cli.output import Output
from earshot_cli.stackfinder import running_stack
from earshot_local.events import State


def status(*, as_json: Json = False) -> None:
    """Show how every process of the running stack is, and why one has crashed; exits 1 if one is not ready."""
    target = running_stack()
    found = target.home.processes()
    if not found:
        raise UnreachableError("the services run elsewhere; ask there, for instance with: earshot cluster status")
    output = Output(as_json=as_json)
    output.document({"processes": found})
    output.show(table(found))
    for process in found:
        if process["ending"]:
            output.show("", trouble(process))
    if any(process["state"] != State.READY for process in found):
        raise typer.Exit(1)
