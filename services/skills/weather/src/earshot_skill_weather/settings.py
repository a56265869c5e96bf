"""Settings of the weather skill, read from EARSHOT_WEATHER_* variables."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WeatherSettings(BaseSettings):
    """Where forecasts come from and how long they are kept."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_WEATHER_", frozen=True, extra="ignore")

    api: str = Field("https://api.open-meteo.com", description="Base URL of the forecast API.")
    geocoding_api: str = Field("https://geocoding-api.open-meteo.com", description="Base URL of the geocoding API.")
    api_key: str = Field("", description="Key of a commercial Open-Meteo plan; empty: the free service.")
    timeout_s: float = Field(1.8, gt=0, le=10, description="Longest time for one request; an answer may need two.")
    forecast_ttl_s: float = Field(600.0, ge=0, description="How long a forecast is used without asking again.")
    stale_s: float = Field(3600.0, ge=0, description="How old a forecast may be when the source does not answer.")
    place_ttl_s: float = Field(86400.0, ge=0, description="How long the position of a city is kept.")
    cache_size: int = Field(2000, ge=1, description="Most forecasts, and most positions, that are kept.")
    default_city: str = Field("", description="City meant by households that have not named theirs; empty: ask.")
