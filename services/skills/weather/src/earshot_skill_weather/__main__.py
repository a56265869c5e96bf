"""Runs the weather skill."""

from __future__ import annotations

from earshot_skill_weather.settings import WeatherSettings
from earshot_skill_weather.skill import Weather
from earshot_skillkit import run

if __name__ == "__main__":
    run("earshot_skill_weather", lambda host: Weather(host, WeatherSettings()))
