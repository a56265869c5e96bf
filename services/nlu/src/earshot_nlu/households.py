"""Words of the household whose turn it is, as understanding takes them; made once for as long as they are the same."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from earshot_nlu.understanding.household import Known, Vocabulary
from earshot_nlu.understanding.language import Languages
from earshot_registry import HouseholdWord

_KEPT = 512


class Source(Protocol):
    """Where words come from."""

    async def of(self, household: str) -> tuple[HouseholdWord, ...]:
        """Return a household's words, soon; none where they can't be had."""


class Households:
    """Vocabularies by household and language.

    Args:
        source: Of their words.
        languages: Those that are understood.
    """

    def __init__(self, source: Source, languages: Languages) -> None:
        self._source = source
        self._languages = languages
        self._made: OrderedDict[tuple[str, str], tuple[tuple[HouseholdWord, ...], Vocabulary | None]] = OrderedDict()

    async def of(self, household: str, locale: str) -> Vocabulary | None:
        """Return what a household's words are in a language; None where it has none."""
        if not household or locale not in self._languages.locales:
            return None
        words = await self._source.of(household)
        if not words:
            return None
        key = (household, locale)
        made = self._made.get(key)
        if made is None or made[0] is not words:
            made = self._made[key] = (words, self._vocabulary(words, locale))
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return made[1]

    def _vocabulary(self, words: tuple[HouseholdWord, ...], locale: str) -> Vocabulary | None:
        known = [
            Known(skill_id=word.skill_id, list_name=word.list_name, text=word.text)
            for word in words
            if word.locale == locale
        ]
        return Vocabulary(known, self._languages.of(locale)) if known else None
