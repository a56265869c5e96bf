"""earshot parked list | show | replay | drop: messages that could not be processed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.table import Table

from earshot_cli import lifetime
from earshot_cli.administrating import Bus, BusOptions, with_bus_options
from earshot_cli.commands.turns import moment
from earshot_cli.errors import CliError
from earshot_cli.options import Json, id_option
from earshot_cli.output import Output

if TYPE_CHECKING:
    from earshot_cli.parked import ParkedMessages, Record, Wanted

app = typer.Typer(
    help="Messages that could not be processed: look at them, replay them, drop them.", no_args_is_help=True
)
T = TypeVar("T")

Service = Annotated[str, typer.Option("--service", help="Only what this service gave up.")]
OfHousehold = Annotated[str, typer.Option("--household", help="Only this household's.", callback=id_option)]
Code = Annotated[str, typer.Option("--code", help="Only this error code.")]
Since = Annotated[str, typer.Option("--since", help="Only what was given up since: 10:32, or 2026-11-22T10:32:00.")]
Number = Annotated[int, typer.Argument(help="A message's number, as `earshot parked list` prints it.")]
Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers; none: all that the options name.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command("list")
@with_bus_options
def list_parked(
    *,
    service: Service = "",
    household: OfHousehold = "",
    code: Code = "",
    since: Since = "",
    bus: BusOptions,
    as_json: Json = False,
) -> None:
    """List parked messages, oldest first."""
    output = Output(as_json=as_json)
    wanted = _wanted(service, household, code, since)
    found = _run(bus.find(), lambda parked: _all(parked, wanted))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("number", "parked", "service", "consumer", "code", "household", "deliveries", "replays", "trace"):
        table.add_column(name, justify="right" if name in {"number", "deliveries", "replays"} else "left")
    for record in found:
        table.add_row(
            str(record.sequence),
            record.parked_at.astimezone().strftime("%m-%d %H:%M:%S"),
            record.service,
            record.reasons.get("Consumer", ""),
            record.code,
            record.household,
            record.reasons.get("Delivery-Count", ""),
            str(record.replays),
            record.trace_id[:12],
        )
    output.show(table if found else "nothing is parked")
    output.document({"parked": [_document(record, private=False) for record in found]})


@app.command("show")
@with_bus_options
def show(
    number: Number,
    *,
    private: Annotated[bool, typer.Option("--pii", help="Also what users said.")] = False,
    bus: BusOptions,
    as_json: Json = False,
) -> None:
    """Show one parked message: where it came from, why it was given up, its headers and what it says."""
    from earshot_cli.parked import pretty  # noqa: PLC0415 - a second of imports that other commands don't need

    output = Output(as_json=as_json)
    record = _run(bus.find(), lambda parked: parked.one(number))
    output.show(pretty(record, private=private))
    output.document(_document(record, private=private))


@app.command("replay")
@with_bus_options
def replay(
    numbers: Numbers = None,
    *,
    service: Service = "",
    household: OfHousehold = "",
    code: Code = "",
    since: Since = "",
    yes: Yes = False,
    bus: BusOptions,
    as_json: Json = False,
) -> None:
    """Publish messages again where they came from. One that fails again is parked again."""
    wanted = _wanted(service, household, code, since)
    _each("replayed", bus.find(), numbers, wanted, yes=yes, as_json=as_json)


@app.command("drop")
@with_bus_options
def drop(
    numbers: Numbers = None,
    *,
    service: Service = "",
    household: OfHousehold = "",
    code: Code = "",
    since: Since = "",
    yes: Yes = False,
    bus: BusOptions,
    as_json: Json = False,
) -> None:
    """Forget messages for good."""
    wanted = _wanted(service, household, code, since)
    _each("dropped", bus.find(), numbers, wanted, yes=yes, as_json=as_json)


def _each(done: str, bus: Bus, numbers: list[int] | None, wanted: Wanted, *, yes: bool, as_json: bool) -> None:
    output = Output(as_json=as_json)

    async def find(parked: ParkedMessages) -> list[Record]:
        return [await parked.one(number) for number in numbers] if numbers else await _all(parked, wanted)

    async def do(parked: ParkedMessages) -> None:
        for record in found:
            await (parked.replay(record) if done == "replayed" else parked.drop(record))

    found = _run(bus, find)
    if found and not (yes or numbers) and not typer.confirm(f"{len(found)} messages will be {done}: go on?"):
        raise CliError("nothing was done", code="not_confirmed")
    _run(bus, do)
    output.show(f"{done}: {', '.join(str(record.sequence) for record in found)}" if found else "nothing is parked")
    output.document({done: [record.sequence for record in found]})


def _wanted(service: str, household: str, code: str, since: str) -> Wanted:
    from earshot_cli.parked import Wanted  # noqa: PLC0415

    at = moment(since, datetime.now().astimezone()) if since else None
    return Wanted(service=service, household=household, code=code, since=at)


def _run(bus: Bus, work: Callable[[ParkedMessages], Awaitable[T]]) -> T:
    return lifetime.run(_on(bus, work))


async def _on(bus: Bus, work: Callable[[ParkedMessages], Awaitable[T]]) -> T:
    from earshot_cli.parked import ParkedMessages  # noqa: PLC0415

    async with bus.connected() as jetstream:
        return await work(ParkedMessages(jetstream))


async def _all(parked: ParkedMessages, wanted: Wanted) -> list[Record]:
    return [record async for record in parked.all(wanted)]


def _document(record: Record, *, private: bool) -> dict[str, Any]:
    from earshot_cli.parked import document  # noqa: PLC0415

    return document(record, private=private)
