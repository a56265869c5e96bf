"""earshot up: the stack, until Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from earshot_cli import lifetime
from earshot_cli.board import Board
from earshot_cli.options import Cluster, Json, Scale
from earshot_cli.output import Output
from earshot_cli.stackfinder import home
from earshot_local.plan import parse_scale

if TYPE_CHECKING:
    from earshot_local.stack import Stack

READY_TIMEOUT_S = 120.0


def up(*, scale: Scale = "", cluster: Cluster = 1, as_json: Json = False) -> None:
    """Start nats-server, the trace store and every service; stay up until Ctrl-C.

    A skill that can't start is told and left out until it has been mended; without any other service nothing is started.
    """
    output = Output(as_json=as_json)
    try:
        lifetime.run(_up(output, parse_scale(scale), cluster), stopping=lambda: output.progress.print("stopping …"))
    except lifetime.Interrupted:
        output.progress.print("stopped; no process is left")


@asynccontextmanager
async def started(output: Output, scale: Mapping[str, int], nodes: int = 1) -> AsyncIterator[Stack]:
    """Start a stack on its well-known ports and show it coming up.

    Raises:
        AlreadyRunningError: One runs from this folder already.
        StartError: A process without which no turn is answered can't start, or is not ready in time.
    """
    from earshot_local.stack import Stack  # noqa: PLC0415 - commands that only ask need none of it

    board = Board(output.console)
    stack = Stack(home=home().root, scale=scale, listener=board.hear, fixed_ports=True, nodes=nodes)
    board.watch(stack.processes)
    try:
        async with stack:
            board.up(await stack.answering(READY_TIMEOUT_S))
            yield stack
    finally:
        board.close()


async def _up(output: Output, scale: Mapping[str, int], nodes: int) -> None:
    async with started(output, scale, nodes) as stack:
        output.document({**asdict(stack.home.running()), "processes": stack.home.processes()})
        output.show(where_to_look(stack), "Ctrl-C stops everything.")
        await asyncio.Event().wait()


def where_to_look(stack: Stack) -> str:
    """Tell what can be tried, and where what happens can be seen."""
    return (
        "\nTry, in another terminal:\n"
        '  .venv/bin/earshot device say "what time is it in Tokyo"\n'
        '  .venv/bin/earshot ask "play some jazz"\n'
        "  .venv/bin/earshot turns\n"
        "  .venv/bin/earshot trace TURN\n"
        "  .venv/bin/earshot status\n"
        f"\nBus {stack.nats_url}   traces {stack.traces_url}/api/turns   logs {stack.home.logs}"
    )
