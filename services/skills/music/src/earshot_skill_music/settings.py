"""Settings of the music skill, read from EARSHOT_MUSIC_* variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _data_folder() -> Path:
    return Path.home() / ".local" / "share" / "earshot" / "music"


class MusicSettings(BaseSettings):
    """Where music is, and under which address devices fetch it."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_MUSIC_", frozen=True, extra="ignore")

    folder: Path | None = Field(None, description="Folder of music files; empty: the samples alone.")
    data_folder: Path = Field(default_factory=_data_folder, description="Where the sample tunes are written.")
    samples: bool = Field(True, description="Whether the sample tunes belong to the library.")
    http_host: str = Field("127.0.0.1", description="Address that files are served on.")
    http_port: int = Field(0, ge=0, le=65535, description="Port that files are served on; 0: any.")
    public_url: str = Field("", description="Base URL that devices reach it by; empty: host and port.")
    secret: SecretStr | None = Field(None, description="Signs addresses; shared by replicas behind one public_url.")
    link_lifetime_s: float = Field(86400.0, gt=0, description="How long an address is good for.")
