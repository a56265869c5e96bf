"""Settings of speech, read from EARSHOT_TTS_* variables when the composition root asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TtsSettings(BaseSettings):
    """What differs between deployments."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_TTS_", frozen=True, extra="ignore")

    engine: str = Field("espeak-ng", description="Engine: espeak-ng or recorded.")
    words_per_minute: int = Field(150, ge=80, le=450, description="Speaking rate of espeak-ng.")
    recording: Path | None = Field(None, description="What the recorded engine speaks with; none: a tone.")
    threads: int = Field(2, ge=1, le=32, description="Sentences that are rendered at the same time.")
    playbacks: int = Field(512, ge=1, description="Segments that one worker speaks at the same time.")
    frame_ms: Literal[20, 40] = Field(40, description="Length of a frame.")
    lead_s: float = Field(2.0, gt=0, description="Sound that a device has in hand at least.")
    burst_s: float = Field(0.4, gt=0, description="Sound that is sent at once when it has no more than that.")
    stall_s: float = Field(6.0, gt=0, description="How long a segment waits for the one before it to move.")
    stale_s: float = Field(60.0, gt=0, description="Age at which an outcome that nobody began to speak is dropped.")
    cache: Literal["shared", "memory"] = Field(
        "shared", description="shared: sentences are kept in the object store too; memory: in this process only."
    )
    cache_bytes: int = Field(64 * 1024 * 1024, ge=0, description="Frames kept in memory.")
    cache_patience_s: float = Field(0.05, gt=0, description="How long the object store may hold up a sentence.")
