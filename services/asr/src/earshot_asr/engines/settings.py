"""Settings of the engines, read from EARSHOT_ASR_* variables when the composition root asks for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from earshot_asr.endpointing import EndpointingRules

_RULES = EndpointingRules()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earshot" / "asr"


class EngineSettings(BaseSettings):
    """Which engine, and what it needs."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_ASR_", frozen=True, extra="ignore")

    engine: Literal["pocketsphinx", "sherpa", "recorded"] = Field("pocketsphinx", description="Engine.")
    required_locales: tuple[str, ...] = Field(
        (),
        description="What it has to hear, and not by way of trial: without a model for one of them it does not start.",
    )
    workers: int = Field(2, ge=1, description="Decoding processes; each has a model of its own (pocketsphinx, sherpa).")
    streams_per_worker: int = Field(16, ge=1, description="Utterances that one of them has at once (the same).")
    mandarin_model: Path | None = Field(
        None, description="Directory of CMU's zh-CN-tdt; unset: the one among the installed models, if any."
    )
    cache: Path = Field(default_factory=_cache, description="Directory for vocabularies that were made (pocketsphinx).")
    minimum_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Below it an utterance is rejected as not for us; unset: what suits the model (pocketsphinx).",
    )
    sherpa_model: Path | None = Field(
        None, description="Directory of a streaming transducer; unset: the one among the installed models (sherpa)."
    )
    sherpa_locales: tuple[str, ...] = Field((), description="What it hears; empty: as its tokens seem to be (sherpa).")
    sherpa_threads: int = Field(1, ge=1, description="Threads of each decoding process (sherpa).")
    sherpa_hot_words: float = Field(
        1.5, ge=0, description="What a piece of a registered name is worth; 0: names are nothing special (sherpa)."
    )
    minimum_silence_s: float = Field(_RULES.minimum_silence_s, gt=0, description="As in AsrSettings (sherpa).")
    no_speech_timeout_s: float = Field(_RULES.no_speech_timeout_s, gt=0, description="As in AsrSettings (sherpa).")
    maximum_length_s: float = Field(_RULES.maximum_length_s, gt=0, description="As in AsrSettings (sherpa).")
    recordings: Path | None = Field(None, description="JSON file of transcripts (recorded).")
    recorded_locales: tuple[str, ...] = Field(("en-US", "zh-CN"), description="What is served (recorded).")
