"""Where a process stops and asks whether it may go on: the protocol's own points, so that a fault hits exactly there.

A process under test calls `pass_gate` at a point; the driver answers "go", or kills or freezes the process instead. A
process that is frozen finds its answer waiting when it wakes up, and goes on as the zombie that it is.

    process ──{"point": "ack asr", "about": "speaker07", "pid": 4711}──► driver
            ◄──────────────────────── go ──────────────────────────────

Without EARSHOT_CHAOS_GATE, which names the driver's socket, nothing asks anybody.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import Counter
from contextvars import ContextVar
from typing import Any, Final

from nats.aio.client import Client

VARIABLE: Final = "EARSHOT_CHAOS_GATE"
AUDIO_FRAME: Final = 20
SPEECH_FRAME: Final = 30
_SPEAKER = re.compile(rb"speaker\d\d")
_about: ContextVar[str] = ContextVar("about", default="")


class Gate:
    """One process's way to ask.

    Args:
        path: The driver's socket; None: nobody is asked.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._frames: Counter[str] = Counter()

    async def pass_(self, point: str, about: str) -> None:
        """Ask the driver; returns when it says go."""
        if self._path is None:
            return
        async with self._lock:
            if self._stream is None:
                self._stream = await asyncio.open_unix_connection(self._path)
            reader, writer = self._stream
            asked = {
                "point": point,
                "about": about,
                "pid": os.getpid(),
                "instance": os.environ.get("EARSHOT_INSTANCE_ID", ""),
            }
            writer.write(json.dumps(asked).encode() + b"\n")
            await reader.readline()

    def watch_publishing(self) -> None:
        """Stop before each publish of this process that is a step of a turn, and before each acknowledgement."""
        if self._path is None:
            return
        publish = Client.publish

        async def gated(client: Client, subject: str, payload: bytes = b"", *rest: Any, **options: Any) -> None:
            point = self._point(subject, payload)
            if point:
                about = _speaker(subject, payload)
                if point != "ack":
                    _about.set(about)
                    await self.pass_(point, about)
                elif _about.get():
                    await self.pass_(f"ack {subject.split('.')[3]}", _about.get())
            await publish(client, subject, payload, *rest, **options)

        Client.publish = gated  # type: ignore[method-assign]

    def _point(self, subject: str, payload: bytes) -> str:
        if subject in ("turn.transcribed", "turn.interpreted"):
            return f"publish {subject}"
        if subject.startswith("turn.outcome."):
            return "claim outcome"
        if subject.startswith("$KV.SESSIONS."):
            return "write session"
        if subject.startswith("$JS.ACK.") and payload in (b"", b"+ACK"):
            return "ack"
        if ".down.speech." in subject:
            self._frames[subject] += 1
            return "speech" if self._frames[subject] == SPEECH_FRAME else ""
        return ""


def _speaker(subject: str, payload: bytes) -> str:
    found = _SPEAKER.search(subject.encode()) or _SPEAKER.search(payload)
    return found.group().decode() if found else ""


GATE: Final = Gate(os.environ.get(VARIABLE))
