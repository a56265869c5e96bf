"""What may stand where a template has a wildcard, for an engine that only hears words which it was told.

Asked in this order: the skill's list of the slot's own name (`{place:city}` beside `{city}`); the phrases of a known
kind (dates, times, durations, numbers, by the name of list or slot); lists of the same name in other skills. A wildcard
that nobody knows anything of can not be heard, only typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from hassil.expression import TextChunk
from hassil.intents import SlotList, TextSlotList
from hassil.parse_expression import parse_sentence

from earshot_asr.vocabulary.places import SHARE, place
from earshot_asr.vocabulary.templates import Scope, Template


class Wildcards:
    """Phrases for the wildcards of one skill."""

    def __init__(self, own: Mapping[str, SlotList], others: Sequence[Mapping[str, SlotList]], locale: str) -> None:
        """Make a table.

        Args:
            own: The skill's lists.
            others: The lists of all skills of the locale.
            locale: BCP-47; one without phrases of its own has no known kinds.
        """
        self._own = own
        self._others = others
        self._locale = locale

    def __call__(self, name: str, slot: str) -> tuple[Template, ...]:
        """Return weighted phrases for a wildcard; none if there is nothing to say.

        Args:
            name: Of its list.
            slot: That it fills.
        """
        own = self._own.get(slot)
        if isinstance(own, TextSlotList):
            return _with_place(slot, self._values(own))
        kinds = known_kinds(self._locale)
        for candidate in (name, slot):
            kind = kinds.get(candidate) or kinds.get(candidate.rpartition("_")[2])
            if kind is not None:
                return (kind,)
        namesakes = [lists.get(candidate) for lists in self._others for candidate in dict.fromkeys((name, slot))]
        return _with_place(name, self._values(*namesakes))

    def _values(self, *lists: SlotList | None) -> tuple[Template, ...]:
        return tuple(
            Template(expression=value.text_in, scope=Scope(rules={}, lists=self._own), weight=1.0 / len(values.values))
            for values in lists
            if isinstance(values, TextSlotList)
            for value in values.values
        )


def _with_place(name: str, values: tuple[Template, ...]) -> tuple[Template, ...]:
    own = place(name)
    if own is None:
        return values
    weight = sum(value.weight for value in values) * SHARE / (1 - SHARE) or 1.0
    return (*values, Template(expression=TextChunk(f" {own} "), scope=Scope(rules={}, lists={}), weight=weight))


@cache
def known_kinds(locale: str) -> Mapping[str, Template]:
    """Return the kinds of wildcard that a locale has phrases for, by list name."""
    resource = files(__package__) / "phrases" / f"{locale}.yaml"
    if not resource.is_file():
        return {}
    document: dict[str, Any] = yaml.safe_load(resource.read_text(encoding="utf-8"))
    rules = {name: parse_sentence(body, keep_text=True) for name, body in document["expansion_rules"].items()}
    scope = Scope(rules=rules, lists={})
    return {
        name: Template(expression=parse_sentence(body).expression, scope=scope, weight=1.0)
        for name, body in document["slots"].items()
    }
