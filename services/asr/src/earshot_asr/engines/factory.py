"""Makes the engine that the settings name; the libraries of the others are not loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earshot_asr.engines.base import Engine, Locale
from earshot_asr.engines.settings import EngineSettings

if TYPE_CHECKING:
    from earshot_asr.engines.pocketsphinx.bundles import Pronouncer


def create_engine(settings: EngineSettings, *, pronouncer: Pronouncer | None = None) -> Engine:
    """Return an engine that is not started.

    Args:
        settings: Which, and how.
        pronouncer: Asked for words that no dictionary has, where the engine needs pronunciations.

    Raises:
        EarshotError: model_missing: a configured model directory lacks files.
        OSError: The file of recordings can not be read.
        ValueError: It is not one.
    """
    if settings.engine == "recorded":
        from earshot_asr.engines.recorded import RecordedEngine, Recordings  # noqa: PLC0415

        recordings = Recordings.read(settings.recordings) if settings.recordings else Recordings()
        return RecordedEngine(recordings, frozenset(map(Locale, settings.recorded_locales)))
    return _pocketsphinx(settings, pronouncer)


def _pocketsphinx(settings: EngineSettings, pronouncer: Pronouncer | None) -> Engine:
    from earshot_asr.engines.pocketsphinx.acoustic import english, mandarin  # noqa: PLC0415
    from earshot_asr.engines.pocketsphinx.bundles import BundleStore  # noqa: PLC0415
    from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine  # noqa: PLC0415
    from earshot_asr.engines.workers.pool import Pool  # noqa: PLC0415
    from earshot_asr.engines.workers.process import Program  # noqa: PLC0415
    from earshot_models.directory import installed  # noqa: PLC0415
    from earshot_models.known import CMU_MANDARIN  # noqa: PLC0415

    return PocketsphinxEngine(
        models=(english(), mandarin(settings.mandarin_model or installed(CMU_MANDARIN))),
        pool=Pool(
            Program(module="earshot_asr.engines.pocketsphinx.worker"),
            workers=settings.workers,
            streams_per_worker=settings.streams_per_worker,
        ),
        bundles=BundleStore(settings.cache, pronouncer),
        minimum_confidence=settings.minimum_confidence,
    )
