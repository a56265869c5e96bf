"""Who is up: a table of the stack's processes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from earshot_local.child import Child
from earshot_local.events import Event, State

_STYLES = {
    State.READY: "green",
    State.STARTING: "blue",
    State.WAITING: "dim",
    State.UNREADY: "yellow",
    State.CRASHED: "bold red",
    State.STOPPING: "dim",
    State.STOPPED: "dim",
}


class Board:
    """Shows a stack coming up, and says what happens to it afterwards.

    On a terminal the table is drawn over while processes start; elsewhere, and later, each change is a line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._children: Mapping[str, Child] = {}
        self._began = time.monotonic()
        self._live: Live | None = None

    def watch(self, children: Mapping[str, Child]) -> None:
        """Show these processes from now on."""
        self._children = children
        if self._console.is_terminal:
            self._live = Live(self.table(), console=self._console, refresh_per_second=8, transient=True)
            self._live.start()

    def hear(self, event: Event) -> None:
        """Take an event of the stack."""
        if self._live is not None:
            self._live.update(self.table())
        told = {None, State.CRASHED, State.UNREADY}
        if self._live is None:
            told |= {State.STARTING, State.READY}
        if event.state in told:
            self._say(event)

    def up(self) -> None:
        """Everything is ready: leave the table as it is."""
        self.close()
        self._console.print(self.table())
        self._console.print(f"ready in {time.monotonic() - self._began:.1f} s")

    def close(self) -> None:
        """Stop drawing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def table(self) -> Table:
        """Return the table as it is now."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("process", "state", "pid", "restarts"):
            table.add_column(name, justify="right" if name in {"pid", "restarts"} else "left")
        for name, child in self._children.items():
            restarts = str(child.restarts) if child.restarts else ""
            table.add_row(name, Text(child.state, style=_STYLES[child.state]), str(child.pid or ""), restarts)
        return table

    def _say(self, event: Event) -> None:
        style = _STYLES[event.state] if event.state else "yellow"
        self._console.print(Text(f"{event.process} {event.text}".strip(), style=style))
        for line in event.log_tail:
            self._console.print(Text(f"  | {line}", style="dim"))


def processes(children: Mapping[str, Child]) -> list[dict[str, Any]]:
    """Describe processes for a program."""
    return [
        {"name": name, "state": child.state.value, "pid": child.pid, "restarts": child.restarts}
        for name, child in children.items()
    ]
