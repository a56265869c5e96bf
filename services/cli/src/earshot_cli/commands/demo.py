"""earshot demo: what `make run` runs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earshot_cli import lifetime, report
from earshot_cli.commands.up import started, where_to_look
from earshot_cli.demo import TURNS, DemoTurn, wrong
from earshot_cli.errors import CliError
from earshot_cli.options import DEFAULT_DEVICE, DEFAULT_HOUSEHOLD, Cluster, Json, Scale
from earshot_cli.output import Output
from earshot_cli.stackfinder import Target, home, running_stack
from earshot_local.errors import NotRunningError
from earshot_local.plan import parse_scale

if TYPE_CHECKING:
    from earshot_local.stack import Stack

Once = Annotated[bool, typer.Option("--once", help="Leave after the demo turns.")]


def demo(*, once: Once = False, scale: Scale = "", cluster: Cluster = 1, as_json: Json = False) -> None:
    """Start the stack (or use the one that runs), speak four turns, then stay up until Ctrl-C.

    Exits 1 if a turn is wrong, and if one runs although --scale or --cluster ask for a certain one.
    """
    output = Output(as_json=as_json)
    documents: list[dict[str, Any]] = []
    try:
        work = _demo(output, documents, stay=not once and not as_json, scale=parse_scale(scale), nodes=cluster)
        lifetime.run(work, stopping=lambda: output.progress.print("stopping …"))
    except lifetime.Interrupted:
        output.progress.print("stopped; no process is left")
        if len(documents) < len(TURNS):
            raise typer.Exit(130) from None
    failed = [document["said"] for document in documents if document["wrong"]]
    if not failed:
        output.document({"turns": documents})
        return
    error = CliError(f"{len(failed)} of {len(documents)} demo turns went wrong", code="demo_failed")
    if not as_json:
        raise error
    output.document({"turns": documents, "error": {"code": error.code, "message": str(error)}})
    raise typer.Exit(1)


async def _demo(
    output: Output, documents: list[dict[str, Any]], *, stay: bool, scale: dict[str, int], nodes: int
) -> None:
    async with AsyncExitStack() as opened:
        own: Stack | None = None
        try:
            target = running_stack()
            if scale or nodes != 1:
                raise CliError(
                    f"a stack runs already (process {target.running.pid}): end it, or leave out --scale and --cluster",
                    code="already_running",
                )
            output.progress.print(f"using the stack that runs from {target.home.root} (process {target.running.pid})")
        except NotRunningError:
            own = await opened.enter_async_context(started(output, scale, nodes))
            target = Target(home=home(), running=own.home.running())
        from earshot_cli.telemetry import exported_to  # noqa: PLC0415

        opened.enter_context(exported_to(target.running.otlp_endpoint))
        for turn in TURNS:
            document = await _speak(output, target, turn)
            documents.append(document)
        bad = sum(1 for document in documents if document["wrong"])
        output.show(f"\n{len(documents) - bad} of {len(documents)} demo turns are right")
        if own is not None and stay:
            output.show(where_to_look(own), "Ctrl-C stops everything.")
            await asyncio.Event().wait()


async def _speak(output: Output, target: Target, turn: DemoTurn) -> dict[str, Any]:
    from earshot_cli.spoken import Speaker, speaking  # noqa: PLC0415 - a second of imports that other commands don't need

    output.show(f"\n[bold]“{turn.text}”[/bold]  {turn.locale}")
    speaker = Speaker(household=DEFAULT_HOUSEHOLD, device=DEFAULT_DEVICE, locale=turn.locale)

    def heard(transcript: str) -> None:
        output.show(f"[dim]    interim[/dim]  {transcript}")

    async with speaking(target, speaker, heard) as device:
        document = await device.say(turn.text)
    document["wrong"] = wrong(turn, document)
    output.show(report.turn(document))
    if document["wrong"]:
        output.show(f"[bold red]wrong: {document['wrong']}[/bold red]")
    return document
