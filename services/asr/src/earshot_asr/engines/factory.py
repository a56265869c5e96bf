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
        EarshotError: model_missing: a configured model directory lacks files, or there is no model for a locale that is
            required; engine_missing; model_unusable.
        OSError: The file of recordings can not be read.
        ValueError: It is not one.
    """
    engine = _created(settings, pronouncer)
    heard = engine.capabilities.locales - engine.capabilities.experimental
    if lacking := [each for each in settings.required_locales if each not in heard]:
        from earshot_asr.engines.errors import ModelMissingError  # noqa: PLC0415
        from earshot_models.directory import default_directory  # noqa: PLC0415

        name, there = engine.capabilities.name, default_directory()
        raise ModelMissingError(
            f"{name} has no model for {', '.join(lacking)}, which are required: none is in {there}; see `earshot models list`"
        )
    return engine


def _created(settings: EngineSettings, pronouncer: Pronouncer | None) -> Engine:
    if settings.engine == "recorded":
        from earshot_asr.engines.recorded import RecordedEngine, Recordings  # noqa: PLC0415

        recordings = Recordings.read(settings.recordings) if settings.recordings else Recordings()
        return RecordedEngine(recordings, frozenset(map(Locale, settings.recorded_locales)))
    if settings.engine == "sherpa":
        return _sherpa(settings)
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


def _sherpa(settings: EngineSettings) -> Engine:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    from earshot_asr.engines.errors import EngineMissingError  # noqa: PLC0415
    from earshot_asr.engines.sherpa.discovery import SherpaModel  # noqa: PLC0415
    from earshot_asr.engines.sherpa.engine import SherpaEngine  # noqa: PLC0415
    from earshot_asr.engines.sherpa.orders import RecogniserOrder  # noqa: PLC0415
    from earshot_asr.engines.workers.pool import Pool  # noqa: PLC0415
    from earshot_asr.engines.workers.process import Program  # noqa: PLC0415
    from earshot_models.directory import default_directory  # noqa: PLC0415
    from earshot_models.known import SHERPA_ZH_EN  # noqa: PLC0415

    try:
        revision = version("sherpa-onnx")
    except PackageNotFoundError as error:
        raise EngineMissingError("sherpa-onnx is not installed: pip install -r requirements/sherpa.txt") from error
    model = SherpaModel.find(settings.sherpa_model or default_directory() / SHERPA_ZH_EN.id)
    unit = model.hot_word_unit if settings.sherpa_hot_words else None
    order = RecogniserOrder(
        encoder=str(model.encoder),
        decoder=str(model.decoder),
        joiner=str(model.joiner),
        tokens=str(model.tokens),
        pieces=str(model.pieces or ""),
        kind=model.kind,
        unit=unit or "",
        hot_word_score=settings.sherpa_hot_words,
        chunk_frames=model.chunk_frames,
        window_frames=model.window_frames,
        threads=settings.sherpa_threads,
        silence_s=settings.minimum_silence_s,
        no_speech_s=settings.no_speech_timeout_s,
        longest_s=settings.maximum_length_s,
    )
    program = Program(module="earshot_asr.engines.sherpa.worker", arguments=(order.to_argument(),))
    return SherpaEngine(
        model=model,
        pool=Pool(program, workers=settings.workers, streams_per_worker=settings.streams_per_worker),
        revision=revision,
        locales=tuple(map(Locale, settings.sherpa_locales)),
        hot_words=unit is not None,
    )
