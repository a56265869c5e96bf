"""Follows the registry: a skill that comes is understood, one that goes is not, without a pause.

Sentences are compiled on a thread beside the event loop and put in use by one assignment. The registry calls one
`follow` at a time and hands over the newest snapshot only, so changes that come quickly are learnt together.
"""

from __future__ import annotations

import asyncio
import time

from earshot_chassis import telemetry
from earshot_nlu import metrics, wire
from earshot_nlu.understanding.catalogue import Catalogue, CatalogueBuilder
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.language import Languages
from earshot_registry import RegistrySnapshot

_log = telemetry.logger("learning")


class Learner:
    """Keeps an interpreter's catalogue as the registry is.

    Args:
        interpreter: Is given every new catalogue.
        languages: Those that are compiled for.
    """

    def __init__(self, interpreter: Interpreter, languages: Languages) -> None:
        self._interpreter = interpreter
        self._languages = languages
        self._builder = CatalogueBuilder(languages)

    async def prepare(self) -> None:
        """Load what languages load when they are used first, so that no turn waits for it."""
        await asyncio.to_thread(self._languages.warm)

    async def follow(self, snapshot: RegistrySnapshot) -> None:
        """Learn a snapshot."""
        started = time.monotonic()
        catalogue = await asyncio.to_thread(self._build, snapshot)
        self._interpreter.use(catalogue)
        took = time.monotonic() - started
        metrics.LEARNING.record(took)
        _log.info("learnt", revision=catalogue.revision, skills=len(snapshot.skills), seconds=round(took, 3))
        for problem in catalogue.problems:
            _log.warning("sentences_left_out", code="malformed_sentences", reason=problem)

    def _build(self, snapshot: RegistrySnapshot) -> Catalogue:
        return self._builder.build(wire.skill_words(snapshot), snapshot.revision)
