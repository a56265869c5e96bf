"""earshot credentials list | issue | revoke: whom the bus lets in, and whom no more."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from earshot_cli import letting_in
from earshot_cli.commands import rotating
from earshot_cli.errors import BadArgumentError, NotFoundError
from earshot_cli.in_force import in_force
from earshot_cli.options import Json, id_option
from earshot_cli.output import Output

if TYPE_CHECKING:
    from earshot_local.credentials import Credentials
    from earshot_local.issued import Issued

app = typer.Typer(help="Whom the bus lets in: users made of the keys in the state folder.", no_args_is_help=True)
issue = typer.Typer(help="Make another user; older ones are good as before.", no_args_is_help=True)
revoke = typer.Typer(
    help="Call users back: servers hang up on them and refuse them from then on.", no_args_is_help=True
)
app.add_typer(issue, name="issue")
app.add_typer(revoke, name="revoke")
app.command("rotate")(rotating.rotate)
app.command("reload")(rotating.reload)
app.command("recover")(rotating.recover)

HouseholdArgument = Annotated[str, typer.Argument(metavar="HOUSEHOLD", callback=id_option)]
DeviceArgument = Annotated[str, typer.Argument(metavar="DEVICE", callback=id_option)]
RoleArgument = Annotated[
    str, typer.Argument(metavar="ROLE", help="A service's name, admin, operator; system: who asks servers themselves.")
]
SkillArgument = Annotated[str, typer.Argument(metavar="SKILL", help="A skill's id.", callback=id_option)]
Days = Annotated[int, typer.Option("--days", min=0, help="How long it lasts; 0: until it is revoked.")]
_DAY_S = 86_400


class Kind(StrEnum):
    """Whose users."""

    DEVICE = "device"
    SERVICE = "service"
    SKILL = "skill"
    SYSTEM = "system"


@app.command("list")
def list_issued(
    *,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only users of this kind.")] = None,
    everybody: Annotated[
        bool,
        typer.Option("--all", help="Everybody who was ever made here: also older ones, and who is let in no more."),
    ] = False,
    as_json: Json = False,
) -> None:
    """List whom the bus lets in, by the newest user of each name, oldest first. Of older ones, which it lets in as well, it tells how many."""
    output = Output(as_json=as_json)
    found = [(user, revoked) for user, revoked in letting_in.credentials().issued() if kind in {None, user.kind}]
    present = in_force(found, time.time())
    if not everybody:
        found = [(user, False) for user in present.newest]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("made", "kind", "name", "user", "state"):
        table.add_column(name)
    for user, revoked in found:
        table.add_row(_day(user.made), user.kind, user.name, user.key, _state(user, revoked=revoked))
    output.show(table if found else "nobody who was made here is let in")
    if not everybody and (present.older or present.ended):
        output.show(
            f"older ones that are let in as well: {present.older}; let in no more: {present.ended}; --all shows them"
        )
    document: dict[str, Any] = {"issued": [_document(user) | {"revoked": revoked} for user, revoked in found]}
    output.document(document | {"older": present.older, "ended": present.ended})


@issue.command("device")
def issue_device(household: HouseholdArgument, device: DeviceArgument, *, as_json: Json = False) -> None:
    """Make a device's user, if its folder holds none, and print where its credentials are."""
    _issued(letting_in.credentials().device(household, device), as_json=as_json)


@issue.command("service")
def issue_service(role: RoleArgument, *, days: Days = 0, as_json: Json = False) -> None:
    """Make a service's new user; it replaces the credentials file, which running processes follow."""
    credentials = letting_in.credentials()
    if role not in credentials.roles:
        raise NotFoundError(f"nobody has the role {role[:80]!r}; there are {', '.join(credentials.roles)}")
    _issued(
        credentials.issue(role, expires=int(time.time()) + days * _DAY_S if days else 0),
        as_json=as_json,
    )


@revoke.command("device")
def revoke_device(household: HouseholdArgument, device: DeviceArgument, *, as_json: Json = False) -> None:
    """Call back every user that a device ever had. It can have another one."""
    _revoke_named(Kind.DEVICE, f"{household}/{device}", as_json=as_json)


@revoke.command("service")
def revoke_service(role: RoleArgument, *, as_json: Json = False) -> None:
    """Call back every user that a service ever had, and make another one in its place."""
    _revoke_named(Kind.SYSTEM if role == "system" else Kind.SERVICE, role, as_json=as_json)


@revoke.command("skill")
def revoke_skill(skill: SkillArgument, *, as_json: Json = False) -> None:
    """Call back every user that a skill got from here, and make another one. Those of a Skill are the operator's: `revoke file`."""
    _revoke_named(Kind.SKILL, skill, as_json=as_json)


@revoke.command("file")
def revoke_file(
    file: Annotated[Path, typer.Argument(help="A credentials file, for instance from a Secret; -: standard input.")],
    *,
    as_json: Json = False,
) -> None:
    """Call back the user of a credentials file, whoever made it with our keys."""
    credentials = letting_in.credentials()
    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text()
        user = credentials.whose(text)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BadArgumentError(f"{file}: {error}", code="credentials_unreadable") from error
    _revoke(credentials, [user], as_json=as_json)


@revoke.command("all")
def revoke_all(kind: Kind, *, as_json: Json = False) -> None:
    """Call back everybody of a kind who was made until now, whoever made them: every device, for instance."""
    output = Output(as_json=as_json)
    credentials = letting_in.credentials()
    credentials.revoke_all(kind)
    output.show(f"revoked: every {kind} that was made until now")
    letting_in.tell(output, credentials, {"revoked": f"all of {kind}"})


def _issued(path: Path, *, as_json: bool) -> None:
    output = Output(as_json=as_json)
    output.show(str(path))
    output.document({"credentials": str(path)})


def _revoke_named(kind: Kind, name: str, *, as_json: bool) -> None:
    credentials = letting_in.credentials()
    users = [user for user, _ in credentials.issued() if (user.kind, user.name) == (kind, name)]
    if not users:
        raise NotFoundError(
            f"no user of {kind} {name} was made here: `earshot credentials list --all` has all, `revoke file` takes one from elsewhere"
        )
    living = [user for user in users if not user.expires or user.expires > time.time()]
    if not living:
        raise NotFoundError(f"every user of {kind} {name} has expired already: there is nobody to call back")
    _revoke(credentials, living, as_json=as_json)


def _revoke(credentials: Credentials, users: list[Issued], *, as_json: bool) -> None:
    output = Output(as_json=as_json)
    credentials.revoke(users)
    for user in users:
        output.show(f"revoked: {user.kind} {user.name}, made {_day(user.made)}: {user.key}")
    letting_in.tell(output, credentials, {"revoked": [_document(user) for user in users]})


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _state(user: Issued, *, revoked: bool) -> str:
    if revoked:
        return "revoked"
    if not user.expires:
        return "let in"
    return f"{'expired' if user.expires <= time.time() else 'expires'} {_day(user.expires)}"


def _document(user: Issued) -> dict[str, Any]:
    return {
        "kind": user.kind,
        "name": user.name,
        "user": user.key,
        "made": user.made,
        "expires": user.expires,
    }
