"""earshot turns and earshot trace: what happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earshot_cli import lifetime, report
from earshot_cli.absent import with_absent
from earshot_cli.errors import BadArgumentError, UnreachableError
from earshot_cli.options import Json, id_option
from earshot_cli.output import Output
from earshot_cli.stackfinder import running_stack

if TYPE_CHECKING:
    from earshot_cli.traces import TraceClient, Traced


def turns(
    *,
    device: Annotated[
        str, typer.Option("--device", help="Only this device, by its serial number.", callback=id_option)
    ] = "",
    household: Annotated[str, typer.Option("--household", help="Only this household.", callback=id_option)] = "",
    at: Annotated[str, typer.Option("--at", help="Around this time: 10:32, or 2026-11-22T10:32:00.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many, newest first.")] = 20,
    slower: Annotated[
        float | None,
        typer.Option(
            "--slower",
            min=0.0,
            help="Only turns whose user waited more than so many seconds from end of speech to first audio, or in vain; longest first.",
        ),
    ] = None,
    begun: Annotated[
        bool,
        typer.Option("--begun", help="When each of all turns began, seconds, one a line: earshot scaling --recording."),
    ] = False,
    as_json: Json = False,
) -> None:
    """List turns, newest first: also those that were lost, abandoned, or are not finished.

    FIRST AUDIO is what the user waited: from the end of speech to the first sound of the answer. DECIDED counts from the start
    of speech.
    """
    if begun:
        if at or slower is not None or as_json:
            raise BadArgumentError(
                "--begun is of all turns, and lines of text: neither --at nor --slower nor --json goes with it"
            )
        for began in lifetime.run(_begun({"device": device, "household": household})):
            typer.echo(f"{began:.3f}")
        return
    query: dict[str, str | float] = {"limit": limit, "device": device, "household": household}
    if at:
        query["at"] = moment(at, datetime.now().astimezone()).isoformat()
    if slower is not None:
        query["slower_than_s"] = str(slower)
    found = lifetime.run(_list({name: value for name, value in query.items() if value}))
    absences = running_stack().home.absences
    found = [with_absent(turn, absences) for turn in found]
    output = Output(as_json=as_json)
    output.show(report.turns(found, waits=slower is not None) if found else "no turns")
    output.document({"turns": found})


def trace(
    turn: Annotated[str, typer.Argument(help="A turn's id, or at least 6 characters of its beginning or end.")],
    *,
    as_json: Json = False,
) -> None:
    """Show one turn's trace as a waterfall."""
    found = lifetime.run(_one(turn))
    told = with_absent(found.turn, running_stack().home.absences)
    output = Output(as_json=as_json)
    output.show(report.turns([told]), report.waited(told))
    output.show(report.trace(found.spans, found.marks) if found.spans else "no spans were recorded")
    output.document({"turn": told, "spans": found.spans, "marks": found.marks})


def moment(text: str, now: datetime) -> datetime:
    """Read a time of day (the latest one that is not in the future) or a full time; without a zone it is local.

    Raises:
        BadArgumentError: It is neither.
    """
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            clock = datetime.strptime(text, form).replace(tzinfo=UTC).time()
        except ValueError:
            continue
        today = datetime.combine(now.date(), clock, tzinfo=now.tzinfo)
        return today if today <= now else today - timedelta(days=1)
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadArgumentError(f"can't read the time {text!r}: give 10:32 or 2026-11-22T10:32:00") from error
    return given if given.tzinfo else given.replace(tzinfo=now.tzinfo)


def _client() -> TraceClient:
    from earshot_cli.traces import TraceClient  # noqa: PLC0415 - an HTTP library that most commands don't need

    url = running_stack().running.traces_url
    if not url:
        raise UnreachableError("the running stack has no trace store")
    return TraceClient(url)


async def _list(query: dict[str, str | float]) -> list[dict[str, Any]]:
    client = _client()
    try:
        return await client.turns(**query)
    finally:
        await client.close()


async def _begun(query: dict[str, str]) -> list[float]:
    client = _client()
    try:
        return await client.begun(**{name: value for name, value in query.items() if value})
    finally:
        await client.close()


async def _one(turn: str) -> Traced:
    client = _client()
    try:
        return await client.turn(turn)
    finally:
        await client.close()
