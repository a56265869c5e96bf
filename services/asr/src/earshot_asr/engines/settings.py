"""Settings of the engines, read from EARSHOT_ASR_* variables when the composition root asks for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earshot" / "asr"


class EngineSettings(BaseSettings):
    """Which engine, and what it needs."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_ASR_", frozen=True, extra="ignore")

    engine: Literal["pocketsphinx", "recorded"] = Field("pocketsphinx", description="Engine.")
    workers: int = Field(2, ge=1, description="Decoding processes (pocketsphinx).")
    streams_per_worker: int = Field(16, ge=1, description="Utterances that one of them has at once (pocketsphinx).")
    mandarin_model: Path | None = Field(
        None, description="Directory of CMU's zh-CN-tdt; unset: the one among the installed models, if any."
    )
    cache: Path = Field(default_factory=_cache, description="Directory for vocabularies that were made (pocketsphinx).")
    minimum_confidence: float = Field(
        0.2, ge=0, le=1, description="Below it an utterance is rejected as not for us (pocketsphinx)."
    )
    recordings: Path | None = Field(None, description="JSON file of transcripts (recorded).")
    recorded_locales: tuple[str, ...] = Field(("en-US", "zh-CN"), description="What is served (recorded).")
