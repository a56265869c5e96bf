"""Runs the weather skill."""

from __future__ import annotations

from earshot_skill_weather.open_meteo import OpenMeteo
from earshot_skill_weather.settings import WeatherSettings
from earshot_skill_weather.skill import Weather
from earshot_skillkit import Host, run


def _weather(host: Host) -> Weather:
    settings = WeatherSettings()
    return Weather(host, settings, OpenMeteo(settings))


if __name__ == "__main__":
    run("earshot_skill_weather", _weather)
