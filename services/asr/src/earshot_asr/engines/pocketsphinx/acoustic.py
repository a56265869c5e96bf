"""Which acoustic model hears which locale, and how its searches and scores are set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from earshot_asr.engines.base import Locale
from earshot_asr.engines.errors import ModelMissingError
from earshot_asr.engines.pocketsphinx.calibration import Calibration, read_calibration
from earshot_asr.vocabulary.languages import Kind
from earshot_models.directory import missing_files
from earshot_models.known import CMU_MANDARIN

ENGLISH: Final = Locale("en-US")
MANDARIN: Final = Locale("zh-CN")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcousticModel:
    """What a decoder needs to know besides its vocabulary.

    Attributes:
        locale: What it hears.
        kind: How words are made for it.
        folder: The model's directory; None: the one that pocketsphinx brings along.
        dictionary: Its pronunciation dictionary, sorted.
        search: Settings of the decoder that differ from its defaults.
        sentences_search: Those of the search for a whole sentence that differ from the ones for all (`sentences`).
        sentences_first: Whether a whole sentence is searched for in any case, and not only where the likeliest words are none.
        fit_scale: What logarithms of how well words fit the sound are multiplied by, to be of the same size for all models.
        calibration: How its scores are read.
        experimental: Whether it is for trying out only.
    """

    locale: Locale
    kind: Kind
    folder: Path | None
    dictionary: Path
    search: Mapping[str, float] = field(default_factory=dict)
    sentences_search: Mapping[str, float] = field(default_factory=dict)
    sentences_first: bool = False
    fit_scale: float = 1.0
    calibration: Calibration
    experimental: bool = False


def english() -> AcousticModel:
    """Return the model that pocketsphinx brings along."""
    return AcousticModel(
        locale=ENGLISH,
        kind=Kind.ENGLISH,
        folder=None,
        dictionary=_bundled_dictionary(),
        calibration=read_calibration(ENGLISH),
    )


def mandarin(folder: Path | None) -> AcousticModel:
    """Return CMU's Mandarin model from its directory, or without one the experimental use of the English model.

    Raises:
        ModelMissingError: The directory lacks files.
    """
    if folder is None:
        return AcousticModel(
            locale=MANDARIN,
            kind=Kind.MANDARIN_ON_ENGLISH,
            folder=None,
            dictionary=_bundled_dictionary(),
            # The grammar hears more than the language model, which only has to agree or not.
            sentences_search={"lw": 3.0},
            sentences_first=True,
            calibration=read_calibration("zh-CN-builtin"),
            experimental=True,
        )
    missing = missing_files(CMU_MANDARIN, folder)
    if missing:
        raise ModelMissingError(f"the Mandarin model in {folder} lacks {', '.join(missing)}; see `earshot models list`")
    return AcousticModel(
        locale=MANDARIN,
        kind=Kind.MANDARIN,
        folder=folder,
        dictionary=folder / "mandarin_notone.dic",
        search={"lw": 10.0},
        sentences_first=True,
        fit_scale=0.4,
        calibration=read_calibration(MANDARIN),
    )


def _bundled_dictionary() -> Path:
    from pocketsphinx import get_model_path  # noqa: PLC0415 - loads a shared library

    return Path(get_model_path("en-us/cmudict-en-us.dict"))
