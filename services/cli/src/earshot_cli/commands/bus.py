"""earshot bus diff | apply | secrets: what the bus holds against what is declared, and whom it lets in."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earshot_cli import lifetime
from earshot_cli.administrating import Bus, BusOptions, with_bus_options
from earshot_cli.errors import BadArgumentError, CliError
from earshot_cli.options import Json
from earshot_cli.output import Output
from earshot_cli.stackfinder import home

if TYPE_CHECKING:
    from earshot_topology.apply import Applied
    from earshot_topology.drift import Drift

app = typer.Typer(help="Streams, consumers and buckets, as they are declared.", no_args_is_help=True)

Replicas = Annotated[
    int,
    typer.Option("--replicas", help="Copies of everything, 1 or 3; default: 3 in a cluster, else 1."),
]


@app.command("diff")
@with_bus_options
def diff(*, bus: BusOptions, replicas: Replicas = 0, as_json: Json = False) -> None:
    """Show how the bus differs from what is declared. Exits 1 when it does."""
    output = Output(as_json=as_json)
    drifts = lifetime.run(diff_of(bus.find(), _copies(replicas)))
    output.show(*([line for drift in drifts for line in drift.lines()] or ["the bus holds what is declared"]))
    output.document({"drift": [_document(drift) for drift in drifts]})
    if drifts:
        raise typer.Exit(1)


@app.command("apply")
@with_bus_options
def apply(
    *,
    bus: BusOptions,
    replicas: Replicas = 0,
    allow_destructive: Annotated[
        bool, typer.Option("--allow-destructive", help="Also make changes by which something is lost.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also delete what nothing declares; needs --allow-destructive.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the bus hold what is declared. Changes nothing at all where something would be lost that is not allowed to be."""
    output = Output(as_json=as_json)
    done = lifetime.run(_apply(bus.find(), _copies(replicas), allow_destructive=allow_destructive, prune=prune))
    changed = [one for one in done if one.change != "unchanged"]
    output.show(*([f"{one.kind} {one.name}: {one.change}" for one in changed] or ["nothing to do"]))
    output.document({"changed": [{"kind": one.kind, "name": one.name, "change": one.change} for one in changed]})


@app.command("secrets")
def secrets(
    names: Annotated[
        list[str] | None, typer.Argument(help="Of objects, for instance bus-trust or bus-asr; none: all of them.")
    ] = None,
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help='Where services are; the administrator is in "<namespace>-admin".')
    ] = "earshot",
    days: Annotated[
        int, typer.Option("--days", min=0, help="How long these users last; 0: until they are revoked.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Print what a cluster needs of the keys in the state folder: `earshot bus secrets | kubectl apply -f -`.

    Keys are made at the first call, and kept. Whoever has them can make users of everything: keep the folder safe.
    """
    import yaml  # noqa: PLC0415 - cryptography and more that few commands need

    from earshot_local.cluster_secrets import documents  # noqa: PLC0415
    from earshot_local.plan import SKILLS  # noqa: PLC0415

    output = Output(as_json=as_json)
    expires = int(time.time()) + days * 86_400 if days else 0
    skills = [skill.skill for skill in SKILLS]
    try:
        objects = list(documents(home(), skills, namespace, wanted=names or (), expires=expires))
    except KeyError as error:
        raise BadArgumentError(f"nothing of the bus is called {error.args[0][:80]!r}") from error
    output.document({"apiVersion": "v1", "kind": "List", "items": objects})
    if not as_json:
        yaml.safe_dump_all(objects, sys.stdout, sort_keys=False, width=1_000_000)
    output.progress.print(f"keys: {home().keys}")


def _copies(given: int) -> int | None:
    if given not in {0, 1, 3}:
        raise BadArgumentError(f"{given} copies: give 1 or 3")
    return given or None


async def diff_of(bus: Bus, replicas: int | None) -> tuple[Drift, ...]:
    """Return how a bus differs from what is declared.

    Args:
        bus: The bus.
        replicas: Copies of everything, 1 or 3; None: as many as such a bus has.

    Raises:
        UnreachableError: It can't be asked.
    """
    from earshot_topology.apply import diff  # noqa: PLC0415 - half a second that most commands don't need

    async with bus.connected() as jetstream:
        return await diff(jetstream, replicas=replicas)


async def _apply(bus: Bus, replicas: int | None, *, allow_destructive: bool, prune: bool) -> tuple[Applied, ...]:
    from earshot_topology.apply import DestructiveChangeError, apply  # noqa: PLC0415

    try:
        async with bus.connected() as jetstream:
            return await apply(jetstream, replicas=replicas, allow_destructive=allow_destructive, prune=prune)
    except DestructiveChangeError as error:
        raise CliError(f"{error}; --allow-destructive does it all the same", code="destructive_change") from error


def _document(drift: Drift) -> dict[str, Any]:
    return {
        "kind": drift.kind,
        "name": drift.name,
        "missing": drift.missing,
        "undeclared": drift.undeclared,
        "fields": [{"field": each.field, "declared": each.declared, "present": each.present} for each in drift.fields],
        "losses": list(drift.losses),
    }
