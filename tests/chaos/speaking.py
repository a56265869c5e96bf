"""A virtual user at a device: speaks, listens, pauses, speaks again; writes down what was heard.

The device is the real one, at real pace; only its microphone and its loudspeaker are the test's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaos.phases import Board, Phase
from chaos.records import Expectation, Turn
from chaos.sounding import RATE, listen
from chaos.utterances import Utterance
from earshot_device import Device, DeviceSettings, SampleSource, TurnResult
from earshot_device.sound import tones

Samples = NDArray[np.int16]

# Longer than any deadline: who has not ended a turn by then never will.
LOST_S = 60.0


@dataclass(slots=True)
class Ear:
    """A loudspeaker that remembers what it played and when; see `earshot_device.Sink`."""

    heard: list[tuple[float, Samples]] = field(default_factory=list)
    sounded: Callable[[], None] = lambda: None

    async def open(self, rate: int) -> None:
        assert rate == RATE

    async def write(self, samples: Samples) -> None:
        self.heard.append((time.monotonic(), samples))
        self.sounded()

    async def discard(self) -> None:
        """What was written has been heard."""

    async def close(self) -> None:
        """Nothing is held."""

    def take(self) -> list[tuple[float, Samples]]:
        """Return what was played since the last call."""
        heard, self.heard = self.heard, []
        return heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a user says, and what should come of it.

    Attributes:
        said: The words, as they were meant.
        utterance: The same as audio.
        expected: What it should come to.
        pause_s: How long the user is silent afterwards.
    """

    said: str
    utterance: Utterance
    expected: Expectation
    pause_s: float


class _Voice:
    """An utterance as the device's microphone; see `earshot_device.AudioSource`."""

    live = False
    rate = RATE
    pre_roll_s = 0.0

    def __init__(self, samples: Samples, over: Callable[[], None]) -> None:
        self._source = SampleSource(samples, RATE, pre_roll_s=0.0)
        self._over = over

    async def blocks(self) -> AsyncIterator[Samples]:
        async for block in self._source.blocks():
            yield block
        self._over()

    def silence(self, count: int) -> Samples:
        return np.zeros(count, np.int16)


@dataclass(slots=True)
class _Open:
    """A turn that is being heard."""

    line: Line
    began_at: float
    spoken_at: float | None = None
    ended_at: float | None = None
    turn_id: str = ""
    note: str = ""
    heard: list[tuple[float, Samples]] = field(default_factory=list)


class Speaker:
    """A user and a device.

    Args:
        settings: The device's.
        board: Told what the device is doing.
        lines: What the user says, for as long as it goes on.
    """

    def __init__(self, settings: DeviceSettings, board: Board, lines: Iterator[Line]) -> None:
        self.settings = settings
        self.turns: list[Turn] = []
        self._board = board
        self._lines = lines
        self._ear = Ear(sounded=self._sounded)
        self._silent_so_far = False
        self._clips = {"apology": tones.apology(settings.locale, RATE), "ring": tones.ring(RATE)}

    @property
    def name(self) -> str:
        """The device's id."""
        return self.settings.device_id

    async def converse(self, stop: asyncio.Event, listen_on_s: float) -> None:
        """Speak until it is time to stop, then listen for what comes late."""
        async with self.present(listen_on_s) as device:
            while not stop.is_set():
                line = next(self._lines, None)
                if line is None:
                    break
                await self.say(device, line)

    @asynccontextmanager
    async def present(self, listen_on_s: float) -> AsyncIterator[Device]:
        """Open the device; at the end, listen on for a while for what comes late."""
        async with Device(self.settings, sink=self._ear) as device:
            yield device
            await asyncio.sleep(listen_on_s)
            self._add_late_sounds()

    async def say(self, device: Device, line: Line) -> None:
        """Take one turn; it is the last one of `turns` afterwards."""
        self._add_late_sounds()
        turn = _Open(line, began_at=time.monotonic())
        self._silent_so_far = True
        self._board.enter(self.name, Phase.SPEAKING)

        def over() -> None:
            turn.spoken_at = time.monotonic()
            self._board.enter(self.name, Phase.WAITING)

        try:
            async with asyncio.timeout(LOST_S):
                result = await device.listen(_Voice(line.utterance.samples, over))
        except Exception as error:  # noqa: BLE001 - whatever it is, the user has been left alone
            turn.note = f"{type(error).__name__}: {error}"
        else:
            turn.ended_at = time.monotonic()
            turn.turn_id = result.turn_id
            turn.note = _note(result)
        turn.heard = self._ear.take()
        self.turns.append(self._closed(turn))
        self._board.enter(self.name, Phase.RESTING)
        await asyncio.sleep(line.pause_s)

    def _closed(self, turn: _Open) -> Turn:
        return Turn(
            device=self.name,
            turn_id=turn.turn_id,
            said=turn.line.said,
            expected=turn.line.expected,
            began_at=turn.began_at,
            spoken_at=turn.spoken_at,
            sounded_at=turn.heard[0][0] if turn.heard else None,
            ended_at=turn.ended_at,
            sounds=self._understood(turn.heard),
            note=turn.note,
        )

    def _understood(self, heard: list[tuple[float, Samples]]) -> tuple[Any, ...]:
        return tuple(listen(np.concatenate([samples for _, samples in heard]), self._clips)) if heard else ()

    def _add_late_sounds(self) -> None:
        heard = self._ear.take()
        if heard and self.turns:
            last = self.turns[-1]
            values = {name: getattr(last, name) for name in Turn.__dataclass_fields__}
            values["sounds"] = last.sounds + self._understood(heard)
            values["note"] = f"{last.note}; sound after its end"
            self.turns[-1] = Turn(**values)

    def _sounded(self) -> None:
        if self._silent_so_far:
            self._silent_so_far = False
            self._board.enter(self.name, Phase.SOUNDING)


def _note(result: TurnResult) -> str:
    parts = [f"kind={result.kind}", f"heard={result.transcript!r}", f"told={result.answer_text!r}"]
    if result.abandoned is not None:
        parts.append(f"abandoned={result.abandoned}")
    if result.concealed_count:
        parts.append(f"concealed={result.concealed_count}")
    if result.resent_count:
        parts.append(f"resent={result.resent_count}")
    parts += [f"error={error.stage}/{error.code}" for error in result.errors]
    return " ".join(parts)
