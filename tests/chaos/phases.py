"""What the devices are doing at the moment, so that a fault can be timed by a turn and not by the clock."""

from __future__ import annotations

import asyncio
from enum import StrEnum, auto


class Phase(StrEnum):
    """What a device is doing."""

    SPEAKING = auto()
    """Its user is: ASR owns the utterance."""
    WAITING = auto()
    """For an answer: NLU, dialogue and a skill are at it."""
    SOUNDING = auto()
    """It plays the answer: TTS owns it."""
    RESTING = auto()
    SETTING = auto()
    """Its user asks the scheduler for something."""
    DUE = auto()
    """Something is about to ring on it."""


class Board:
    """Hears when a device enters a phase."""

    def __init__(self) -> None:
        self._waiting: dict[Phase, list[asyncio.Future[str]]] = {phase: [] for phase in Phase}

    def enter(self, device: str, phase: Phase) -> None:
        """Note that a device has entered a phase."""
        waiting, self._waiting[phase] = self._waiting[phase], []
        for future in waiting:
            if not future.done():
                future.set_result(device)

    async def next(self, phase: Phase) -> str:
        """Wait until some device enters a phase; return which."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[phase].append(future)
        return await future
