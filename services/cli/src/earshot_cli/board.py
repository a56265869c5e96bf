"""Who is up: a table of the stack's processes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
        self._troubled: set[str] = set()

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
        mended = event.state is State.READY and event.process in self._troubled
        told = {None, State.CRASHED, State.UNREADY}
        if self._live is None:
            told |= {State.STARTING, State.READY}
        # One that keeps crashing in the same way is told once, and again when it has been mended.
        known = event.repeated or (event.state is State.STARTING and event.process in self._troubled)
        if mended or (event.state in told and not known):
            self._say(event)
        if event.state in {State.CRASHED, State.UNREADY}:
            self._troubled.add(event.process)
        elif event.state is State.READY:
            self._troubled.discard(event.process)

    def up(self, broken: Sequence[Child] = ()) -> None:
        """Everything is ready but for these: leave the table as it is."""
        self.close()
        self._console.print(self.table())
        self._console.print(f"ready in {time.monotonic() - self._began:.1f} s")
        for child in broken:
            # How it crashed was told when it did.
            what = f"{child.ending}\n  all of its log: {child.program.log}" if child.ending else child.trouble()
            self._console.print(Text(f"without {child.name}: it {what}", style=_STYLES[child.state]))
        if broken:
            self._console.print(
                "It is started again when one of its files changes, and every 10 s, and told when it is ready; all others work."
            )

    def close(self) -> None:
        """Stop drawing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def table(self) -> Table:
        """Return the table as it is now."""
        return table([child.described() for child in self._children.values()])

    def _say(self, event: Event) -> None:
        style = _STYLES[event.state] if event.state else "yellow"
        self._console.print(Text(f"{event.process} {event.text}".strip(), style=style))
        for line in event.log_tail:
            self._console.print(Text(f"  | {line}", style="dim"))
        if event.log is not None:
            self._console.print(Text(f"  all of its log: {event.log}", style="dim"))


def table(processes: Sequence[Mapping[str, Any]]) -> Table:
    """Show processes, as `Child.described` tells them."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("process", "state", "pid", "restarts"):
        shown.add_column(name, justify="right" if name in {"pid", "restarts"} else "left")
    for one in processes:
        state = Text(one["state"], style=_STYLES[State(one["state"])])
        shown.add_row(one["name"], state, str(one["pid"] or ""), str(one["restarts"] or ""))
    return shown


def trouble(process: Mapping[str, Any]) -> Text:
    """Tell how a process has crashed, as `Child.described` tells it."""
    lines = [f"{process['name']} {process['ending']}", *(f"  | {line}" for line in process["log_tail"])]
    return Text("\n".join([*lines, f"  all of its log: {process['log']}"]), style="red")
