"""earshot restart: replace processes of the running stack."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from earshot_cli.errors import CliError, NotFoundError, UnreachableError
from earshot_cli.options import Json
from earshot_cli.output import Output
from earshot_cli.stackfinder import Target, running_stack
from earshot_local.control import ask
from earshot_local.errors import UnknownProcessError

# As long as sixteen replicas take that all are slow.
_PATIENCE_S = 1_200.0


def restart(
    name: Annotated[str, typer.Argument(help="A service or skill, dice, or one process of it, dice-0.")],
    *,
    as_json: Json = False,
) -> None:
    """Replace NAME's processes, one after the other: each goes when its successor is ready, which turns do not notice.

    Where one can't start, what ran goes on running; exits 1, and says why.
    """
    output = Output(as_json=as_json)
    target = running_stack()
    if not target.home.processes():
        raise NotFoundError(f"no process is called {name[:80]!r}; there are none: the services run elsewhere")
    output.progress.print(f"{name}: starting anew …")
    processes = replaced(target, name)
    output.document({"processes": processes})
    for process in processes:
        output.show(f"{process['name']} is ready (process {process['pid']})")


def replaced(target: Target, name: str) -> list[dict[str, Any]]:
    """Replace a service's processes, or one process; return those that run now.

    Raises:
        NotFoundError: There is none of this name.
        CliError: One can't start; with its lines, and the supervisor's code.
        UnreachableError: There is no answer.
    """
    try:
        answer = ask(target.home.control, {"restart": name}, _PATIENCE_S)
    except TimeoutError as error:
        raise UnreachableError(
            f"{name}: no answer after {_PATIENCE_S:.0f} s; earshot status shows how it is"
        ) from error
    if refused := answer.get("error"):
        if refused["code"] == UnknownProcessError.code:
            raise NotFoundError(refused["message"])
        raise CliError(refused["message"], code=refused["code"])
    processes: list[dict[str, Any]] = answer["processes"]
    return processes
