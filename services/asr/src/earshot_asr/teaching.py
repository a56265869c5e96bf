"""Hands the engine what the skills register, as it changes.

Each change is handed over at once, though the one before it is still being made into a vocabulary: the engine gives that up.
"""

from __future__ import annotations

import asyncio

from earshot_asr.engines.base import Engine, Vocabulary
from earshot_chassis import telemetry

_log = telemetry.logger("teaching")


class Teacher:
    """Teaches one engine."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine that will have been started."""
        self._engine = engine
        self._begun = False
        self._teaching: set[asyncio.Task[None]] = set()

    async def teach(self, vocabulary: Vocabulary) -> None:
        """Hand over a vocabulary; the first is in force on return, of the others what goes wrong is logged.

        Raises:
            EarshotError: The first could not be put in force.
        """
        if not self._begun:
            self._begun = True
            await self._engine.set_vocabulary(vocabulary)
            return
        task = asyncio.create_task(self._engine.set_vocabulary(vocabulary), name="asr-teaching")
        self._teaching.add(task)
        task.add_done_callback(self._taught)

    async def stop(self) -> None:
        """Wait for nothing any more."""
        for task in self._teaching:
            task.cancel()
        await asyncio.gather(*self._teaching, return_exceptions=True)

    def _taught(self, task: asyncio.Task[None]) -> None:
        self._teaching.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("vocabulary_not_in_force", error=repr(error))
