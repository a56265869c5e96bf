"""Being a device that stays on: what rings is told and heard, and lines that are typed are spoken."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

from rich.text import Text

from earshot_chassis.errors import EarshotError
from earshot_cli import report, rings
from earshot_cli.options import locale_of
from earshot_cli.output import Output
from earshot_cli.spoken import Speaker, Spoken, speaking
from earshot_cli.stackfinder import Target
from earshot_device.core.events import Happening, StateChanged
from earshot_device.core.ringbook import Occurrence


async def wait(target: Target, speaker: Speaker, output: Output, locale: str | None) -> None:
    """Be a device until the command is interrupted: a line is spoken, an empty one stops what rings.

    Args:
        target: The running stack.
        speaker: Which device.
        output: Where to tell what happens.
        locale: What is typed is spoken in; None: what each line is written in.

    Raises:
        DeviceInUseError: Another process is this device.
        LinkLostError: The bus can't be reached.
        AudioOutputError: There is no loudspeaker.
    """
    watch = _Watch(output, locale)
    async with speaking(target, speaker, watch.interim, watch.happened) as spoken:
        output.show("on: type to speak, Enter stops what rings, Ctrl-C switches off")
        watch.begin(spoken)
        try:
            async with asyncio.TaskGroup() as turns:
                async for line in _lines():
                    if line:
                        turns.create_task(watch.turn(line))
                    else:
                        await spoken.dismiss()
                await asyncio.Event().wait()
        finally:
            output.document({"events": watch.events})


class _Watch:
    """Tells what happens on the device."""

    def __init__(self, output: Output, locale: str | None) -> None:
        self.events: list[dict[str, Any]] = []
        self._locale = locale
        self._output = output
        self._spoken: Spoken | None = None
        self._ringing: dict[str, str] = {}

    def begin(self, spoken: Spoken) -> None:
        """Tell what rings already, and from now on what begins to."""
        self._spoken = spoken
        self._tell(tuple(spoken.ringing))

    def interim(self, transcript: str) -> None:
        """Show what has been understood so far."""
        self._output.show(f"[dim]    interim[/dim]  {transcript}")

    def happened(self, happening: Happening) -> None:
        """Take note of what the device does."""
        if isinstance(happening, StateChanged) and self._spoken is not None:
            self._tell(happening.ringing)

    async def turn(self, text: str) -> None:
        """Speak a line; an error ends the turn, not the device."""
        if self._spoken is None:
            return
        try:
            document = await self._spoken.say(text, locale_of(text, self._locale))
        except EarshotError as error:
            self._output.show(f"[red]{error}[/red]")
            return
        self.events.append({"turn": document})
        self._output.show(report.turn(document))

    def _tell(self, ringing: tuple[str, ...]) -> None:
        known = self._spoken.ringing if self._spoken is not None else {}
        for name in ringing:
            if name not in self._ringing:
                occurrence = known.get(name) or Occurrence(occurrence_id=name)
                self.events.append(rings.described(occurrence))
                self._ringing[name] = rings.told(occurrence)
                self._show("rings", f"{self._ringing[name]}   (Enter stops it)")
        for name in [name for name in self._ringing if name not in ringing]:
            self.events.append({"silent": name})
            self._show("silent", self._ringing.pop(name))

    def _show(self, what: str, which: str) -> None:
        self._output.show(Text.assemble((what, "bold"), f"  {which}"))


async def _lines() -> AsyncIterator[str]:
    """Yield what is typed, line by line, without the white space around it."""
    # A thread, because a terminal can't be read without waiting, and one that nobody waits for at the end: it reads the
    # descriptor itself, because Python does not end while a thread holds its buffered input.
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()
    descriptor = sys.stdin.fileno()

    def read() -> None:
        rest = b""
        try:
            while block := os.read(descriptor, 4096):
                *whole, rest = (rest + block).split(b"\n")
                for line in whole:
                    loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace").strip())
            loop.call_soon_threadsafe(lines.put_nowait, None)
        except (RuntimeError, OSError):
            return  # The loop, or the input, was closed: the command has ended.

    threading.Thread(target=read, name="typed-lines", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line
