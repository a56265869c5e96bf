"""Follows the registry: a skill that comes is understood, one that goes is not, without a pause.

Sentences are compiled on a thread beside the event loop and put in use by one assignment. The registry calls one
`follow` at a time and hands over the newest snapshot only, so changes that come quickly are learnt together.

Models take seconds and are trained afterwards, in processes of their own; until then the models of a moment before
go on, and count where their intents are still registered. A snapshot that comes meanwhile ends a training that it made
useless. A model is told by its version, which its sentences make, so one that was trained before, here or by another
replica on the same disk, is read instead of trained.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from earshot_chassis import telemetry
from earshot_nlu import metrics, training, wire
from earshot_nlu.understanding.catalogue import Catalogue, CatalogueBuilder
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.language import Languages
from earshot_nlu.understanding.statistical import storing
from earshot_nlu.understanding.statistical.drawing import Drawn
from earshot_nlu.understanding.statistical.encoder import Encoder
from earshot_nlu.understanding.statistical.model import StatisticalModel, version_of
from earshot_nlu.understanding.values.calendar import Moment
from earshot_registry import RegistrySnapshot

_log = telemetry.logger("learning")
_NOTHING_TO_LEARN = 3
_KEPT_MODELS = 16
_ABANDONED_S = 600.0


class Learner:
    """Keeps an interpreter's catalogue as the registry is.

    Args:
        interpreter: Is given every new catalogue.
        languages: Those that are compiled for.
        encoder: What models are trained with; None: templates only.
        models: The folder that trained models are kept in.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        languages: Languages,
        *,
        encoder: Encoder | None = None,
        models: Path | None = None,
    ) -> None:
        self._interpreter = interpreter
        self._languages = languages
        self._builder = CatalogueBuilder(languages)
        self._encoder = encoder if models else None
        self._folder = models or Path()
        self._models: dict[str, StatisticalModel] = {}
        self._training: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Load what languages load when they are used first, so that no turn waits for it."""
        await asyncio.to_thread(self._languages.warm)

    async def follow(self, snapshot: RegistrySnapshot) -> None:
        """Learn a snapshot: its sentences now, their models afterwards."""
        started = time.monotonic()
        catalogue = await asyncio.to_thread(self._build, snapshot)
        self._interpreter.use(catalogue.with_models(self._models, self._languages))
        took = time.monotonic() - started
        metrics.LEARNING.record(took)
        _log.info("learnt", revision=catalogue.revision, skills=len(snapshot.skills), seconds=round(took, 3))
        for problem in catalogue.problems:
            _log.warning("sentences_left_out", code="malformed_sentences", reason=problem)
        if self._encoder is not None:
            await self._stop_training()
            self._training = asyncio.create_task(self._train(catalogue, self._encoder))

    async def trained(self) -> None:
        """Return when the models of the last snapshot are in use."""
        if self._training is not None:
            await asyncio.wait([self._training])

    async def stop(self) -> None:
        """End a training that is going on."""
        await self._stop_training()

    def _build(self, snapshot: RegistrySnapshot) -> Catalogue:
        return self._builder.build(wire.skill_words(snapshot), snapshot.revision)

    async def _stop_training(self) -> None:
        if self._training is not None:
            self._training.cancel()
            await asyncio.wait([self._training])
            self._training = None

    async def _train(self, catalogue: Catalogue, encoder: Encoder) -> None:
        for locale, grammar in sorted(catalogue.grammars.items()):
            started = time.monotonic()
            try:
                model = await self._model(grammar.drawn, locale, encoder)
            except (OSError, TrainingFailedError, storing.UnreadableModelError) as error:
                # Templates go on; so does an older model.
                _log.warning("model_not_trained", code="training_failed", locale=locale, reason=str(error))
                continue
            if model is None:
                self._models.pop(locale, None)
                continue
            self._models[locale] = model
            ready = catalogue.with_models(self._models, self._languages)
            await asyncio.to_thread(_warm, ready, locale)
            self._interpreter.use(ready)
            took = time.monotonic() - started
            metrics.TRAINING.record(took, {"locale": locale})
            _log.info("model_in_use", locale=locale, version=model.version, seconds=round(took, 3))

    async def _model(self, drawn: Drawn, locale: str, encoder: Encoder) -> StatisticalModel | None:
        """Return the model of these sentences: the one in use, one that was kept, or a new one."""
        language = self._languages.of(locale)
        version = await asyncio.to_thread(version_of, drawn, language, encoder)
        known = self._models.get(locale)
        if known is not None and known.version == version:
            return known
        path = self._folder / f"{locale}-{version}.npz"
        with contextlib.suppress(storing.UnreadableModelError):
            return await asyncio.to_thread(storing.read, path, version, language, encoder)
        await asyncio.to_thread(self._make_room)
        if await _process(path, training.task(drawn, locale, encoder)) == _NOTHING_TO_LEARN:
            return None
        return await asyncio.to_thread(storing.read, path, version, language, encoder)

    def _make_room(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = sorted(self._folder.glob("*.npz"), key=lambda path: path.stat().st_mtime)
        for path in kept[: max(0, len(kept) - _KEPT_MODELS)]:
            path.unlink(missing_ok=True)
        # Of trainings that were killed while they wrote.
        for path in self._folder.glob(f"*{storing.PARTIAL}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()


class TrainingFailedError(Exception):
    """The process that trains ended without a model."""


async def _process(path: Path, task: bytes) -> int:
    """Return how the training process ended; end it when this is cancelled.

    Raises:
        TrainingFailedError: It ended without a model.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "earshot_nlu.training",
        str(path),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        _, errors = await process.communicate(task)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in {0, _NOTHING_TO_LEARN}:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise TrainingFailedError(last[0])
    return process.returncode or 0


def _warm(catalogue: Catalogue, locale: str) -> None:
    recognizer = catalogue.grammars[locale].statistical
    if recognizer is not None:
        recognizer.warm(Moment(datetime.now(UTC), ZoneInfo("UTC")))
