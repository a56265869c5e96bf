"""earshot credentials rotate | reload | recover: other keys in the place of those that sign, while the bus runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earshot_cli import letting_in, publishing
from earshot_cli.administrating import BusOptions, with_bus_options
from earshot_cli.commands import restart
from earshot_cli.errors import BadArgumentError
from earshot_cli.options import Json
from earshot_cli.output import Output
from earshot_cli.stackfinder import home, running_stack

if TYPE_CHECKING:
    from earshot_local.credentials import Credentials
    from earshot_local.reloading import Lingering


class Signed(StrEnum):
    """Whose signing key there is."""

    DEVICE = "device"
    SERVICE = "service"
    SKILL = "skill"
    OPERATOR = "operator"


def rotate(
    kind: Signed,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="What the old key signed stays good, until `--retire` ends that.")
    ] = False,
    retire: Annotated[bool, typer.Option("--retire", help="End old keys that were kept; make no new one.")] = False,
    as_json: Json = False,
) -> None:
    """Replace the key that signs users of a KIND, or, of the operator, the one that signs accounts; streams stay.

    Without --keep, whatever the old one signed is let in no more. On a running stack services and skills are started anew before that.
    """
    if keep and retire:
        raise BadArgumentError("--keep leaves the old key good, --retire ends it: give one of them")
    output = Output(as_json=as_json)
    users = letting_in.credentials()
    if kind is Signed.OPERATOR:
        if keep or retire:
            raise BadArgumentError(
                "another operator takes the old one's place when servers are started: without --keep and --retire"
            )
        users.rotate_operator()
        output.show("operator: there is a new key, and another user `system`; servers take it when they are started")
        _another_operator(output, users, _document(kind))
    elif retire:
        users.retire(kind)
        output.show(f"{kind}: old keys are ended")
        letting_in.tell(output, users, _document(kind, retired=True))
    elif keep:
        users.rotate(kind, keep=True)
        output.show(f"{kind}: there is a new key, and the old one is good for now")
        letting_in.tell(output, users, _document(kind, kept=True), publishing.after_keeping(kind))
        users.reissue(kind)
    elif kind is not Signed.DEVICE and letting_in.runs_here():
        _live(output, users, kind)
    else:
        users.rotate(kind, keep=False)
        users.reissue(kind)
        output.show(f"{kind}: there is a new key")
        letting_in.tell(output, users, _document(kind), publishing.after_replacing(kind))


def _live(output: Output, users: Credentials, kind: str) -> None:
    """Replace a key on the running stack: both are good until every process that came by the old one was started anew."""
    users.rotate(kind, keep=True)
    _told(users)
    users.reissue(kind)
    there = {name for each in _told(users) if each.kind == kind for name in each.names}
    # A connection is called earshot-<service>/<process>, and what else it is for.
    processes = {part for name in there for part in name.split("/")[1:]}
    _start_anew(output, lambda name: name in processes)
    users.retire(kind)
    output.show(f"{kind}: there is a new key, and the old one is ended")
    letting_in.tell(output, users, _document(kind))


def _told(users: Credentials) -> tuple[Lingering, ...]:
    answers, there = letting_in.own(users) or ((), ())
    letting_in.check(answers)
    return there


def _another_operator(output: Output, users: Credentials, document: dict[str, Any]) -> None:
    if letting_in.write_own(users):
        _start_anew(output, lambda name: name.startswith("nats-server"))
    letting_in.tell(output, users, document, publishing.AFTER_ANOTHER_OPERATOR)


def _start_anew(output: Output, meant: Callable[[str], bool]) -> None:
    """Start processes of the running stack anew, one after the other."""
    target = running_stack()
    for process in target.home.processes():
        if meant(process["name"]):
            for started in restart.replaced(target, process["name"]):
                output.show(f"{started['name']}: started anew")


def _document(kind: str, *, kept: bool = False, retired: bool = False) -> dict[str, Any]:
    return {"rotated": kind, "kept": kept, "retired": retired}


@with_bus_options
def reload(
    *,
    bus: BusOptions,
    servers: Annotated[
        int, typer.Option("--servers", min=0, help="How many there are at least; default: 3 in a cluster, else 1.")
    ] = 0,
    patience_s: Annotated[
        float,
        typer.Option("--patience", help="Seconds; a cluster shows pods a changed ConfigMap after a minute or so."),
    ] = 150.0,
    as_json: Json = False,
) -> None:
    """Have every server of a bus read anew whom it lets in, until it says that it holds what the state folder says.

    It is asked by the user `system` of the state folder, unless --credentials names another one. Who is there by a key that is to be ended
    is told.
    """
    output = Output(as_json=as_json)
    users = letting_in.credentials()
    if not bus.url:
        letting_in.write_own(users)
    system = bus.credentials or users.service("system")
    if not system.exists():
        users.issue("system")
    letting_in.told(output, *letting_in.reload(replace(bus, credentials=system).find(), users, servers, patience_s), {})


def recover(
    file: Annotated[Path, typer.Argument(help="What servers are configured with, trust.conf; -: standard input.")],
    *,
    as_json: Json = False,
) -> None:
    """Make keys for the accounts of a bus whose keys are lost: streams stay, and whoever is let in is let in.

    What the lost keys signed is good until `rotate KIND --retire` ends that.
    """
    from earshot_local.recovering import recover as made  # noqa: PLC0415 - loads cryptography that few commands need

    output = Output(as_json=as_json)
    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text()
    except (OSError, ValueError) as error:
        raise BadArgumentError(f"{file}: {error}", code="trust_unreadable") from error
    made(home(), text)
    output.show(f"there are new keys of the same accounts: {home().keys}")
    _another_operator(output, letting_in.credentials(), {"recovered": True})
