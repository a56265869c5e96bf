"""Words that bridge the wait for an outcome; they end where it begins."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from earshot_device.core.ids import OutcomeId
from earshot_device.core.outcome import SpeechFrame
from earshot_device.core.speech_buffer import Gap
from earshot_device.errors import SpeechLostError
from earshot_device.sound.output import Channel, Output
from earshot_device.tasks import end
from earshot_device.turns.speech import SpeechPlayer, SpeechTimings

_TIMINGS = SpeechTimings(gap_patience_s=0.1, stall_s=2.0)


class Filler:
    """Plays fillers of one turn, one after the other."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._player: SpeechPlayer | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self.heard_count = 0

    def receive(self, frame: SpeechFrame) -> None:
        """Take a frame; one with sequence 0 after a filler that was played to its end begins another."""
        if self._ended:
            return
        if self._player is None or (self._player.finished and frame.sequence == 0):
            self._player = SpeechPlayer(
                OutcomeId(""), self._output, ask_again=_ask_nobody, timings=_TIMINGS, started=self._count
            )
            self._task = asyncio.create_task(self._play(self._player), name="device-filler")
        self._player.receive(frame)

    def end(self) -> None:
        """Fall silent: the outcome speaks."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """Fall silent and wait until it is."""
        self.end()
        await end(self._task)
        self._task = None

    def _count(self) -> None:
        self.heard_count += 1

    async def _play(self, player: SpeechPlayer) -> None:
        try:
            with suppress(SpeechLostError):
                while not player.finished:
                    await player.play_segment(0)
        finally:
            await player.stop()
            if self._ended:
                await self._output.discard(Channel.TURN)


async def _ask_nobody(_gap: Gap) -> None:
    """Fillers are not captured for long enough to be worth asking for."""
