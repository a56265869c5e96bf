"""Settings of the NLU service, read from EARSHOT_NLU_* variables by the composition root."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from earshot_nlu.understanding.interpreter import MAX_CHARACTERS


class NluSettings(BaseSettings):
    """What differs between deployments."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_NLU_", frozen=True, extra="ignore")

    turns: int = Field(8, ge=1, description="Turns that one replica has in hand at once.")
    max_characters: int = Field(MAX_CHARACTERS, ge=1, le=10_000, description="Longest text that is understood.")
    model: Literal["sentences", "words", "none"] = Field(
        "sentences",
        description="What is learnt beside templates: meanings of sentences (150 MB), words only, or nothing.",
    )
    models: Path = Field(
        Path("~/.cache/earshot/nlu"), description="Folder for trained models; they can be deleted at any time."
    )
