"""Settings of the runtime and of the weather skill."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from earshot_skill_weather.settings import WeatherSettings
from earshot_skillkit.settings import SkillSettings


@pytest.mark.parametrize(
    ("environment", "target"),
    [
        ({}, "127.0.0.1:50061"),
        ({"EARSHOT_GRPC_HOST": "0.0.0.0"}, "127.0.0.1:50061"),
        ({"EARSHOT_GRPC_HOST": "10.1.2.3"}, "10.1.2.3:50061"),
        ({"EARSHOT_GRPC_HOST": "fd00::7"}, "[fd00::7]:50061"),
        ({"EARSHOT_SKILL_TARGET": "dns:///skill-clock:50051"}, "dns:///skill-clock:50051"),
        ({"EARSHOT_SKILL_TARGET": "10.1.2.3:50051"}, "10.1.2.3:50051"),
        ({"EARSHOT_SKILL_TARGET": "fd00::7:50051"}, "[fd00::7]:50051"),
        ({"EARSHOT_SKILL_TARGET": "[fd00::7]:50051"}, "[fd00::7]:50051"),
    ],
)
def test_a_replica_registers_where_it_is_reached(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], target: str
) -> None:
    """The named target, or else the address that the server listens on."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert SkillSettings().target(50061) == target


def test_the_weather_reads_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another source, another default city; others' variables are left alone, wrong values refused."""
    monkeypatch.setenv("EARSHOT_WEATHER_API", "http://127.0.0.1:1")
    monkeypatch.setenv("EARSHOT_WEATHER_DEFAULT_CITY", "Berlin")
    monkeypatch.setenv("EARSHOT_WEATHER_TARGET", "ipv4:127.0.0.1:2")
    settings = WeatherSettings()
    assert (settings.api, settings.default_city) == ("http://127.0.0.1:1", "Berlin")
    assert settings.geocoding_api == "https://geocoding-api.open-meteo.com"
    monkeypatch.setenv("EARSHOT_WEATHER_TIMEOUT_S", "0")
    with pytest.raises(ValidationError):
        WeatherSettings()
