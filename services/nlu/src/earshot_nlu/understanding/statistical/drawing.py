"""Draws from the templates of skills what their model is trained from: plain sentences with their slots filled.

Of every intent about so many, so that none counts more because it has more ways to be said. A part comes with a slip:
a word left out, a few words around it. The same skills always give the same sentences.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from hassil.expression import ListReference
from hassil.intents import RangeSlotList, WildcardSlotList

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.model import SlotKind
from earshot_nlu.understanding.statistical.examples import Example, Filled
from earshot_nlu.understanding.templates.compile import BOUND, CompiledSkill, Unit
from earshot_nlu.understanding.templates.lists import NarrowedList, listed_as
from earshot_nlu.understanding.templates.samples import samples

_AN_INTENT = 48
_A_UNIT = 4
_MOST_FORMS = 24
_SLIPS = 0.3
_SLOT = re.compile(r"(\{[^}]*\})")
_FREE_WORDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One way to say an intent: its template, the slots that it fills and its own words."""

    unit: Unit
    slots: frozenset[str]
    words: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was drawn from templates.

    Attributes:
        examples: To train from.
        lists: Values by the name of their list.
        forms: Ways to say each intent.
    """

    examples: tuple[Example, ...]
    lists: Mapping[str, tuple[str, ...]]
    forms: Mapping[str, tuple[Form, ...]]


def draw(skills: Iterable[CompiledSkill], language: Language) -> Drawn:
    """Return what the sentences of these skills teach."""
    units: dict[str, list[Unit]] = defaultdict(list)
    lists: dict[str, set[str]] = defaultdict(set)
    for skill in skills:
        for unit in skill.units:
            units[unit.intent].append(unit)
        for name, known in skill.lists.items():
            if isinstance(known, NarrowedList):
                lists[listed_as(name)].update(known.choices)
    examples: list[Example] = []
    forms: dict[str, tuple[Form, ...]] = {}
    for intent, group in sorted(units.items()):
        drawer = _Drawer(language, Random(intent))  # noqa: S311 - chooses sentences, the same every time
        ways = [way for unit in group for way in drawer.ways(unit, max(_A_UNIT, _AN_INTENT // len(group)))]
        forms[intent] = tuple({(form.unit, form.slots, form.words): form for form, _ in ways}.values())
        examples += drawer.sentences(ways)
    return Drawn(
        examples=tuple(examples), lists={name: tuple(sorted(values)) for name, values in lists.items()}, forms=forms
    )


class _Drawer:
    """Draws the sentences of one intent."""

    def __init__(self, language: Language, random_: Random) -> None:
        self._language = language
        self._random = random_
        self._choices: dict[tuple[int, str], Sequence[str]] = {}

    def ways(self, unit: Unit, most: int) -> list[tuple[Form, str]]:
        """Return some of a template's sentences, slots as "{list:slot}"."""
        texts = samples(unit.sentence.expression, unit.data.expansion_rules, _MOST_FORMS, _by_slot)
        chosen = texts if len(texts) <= most else self._random.sample(texts, most)
        ways: list[tuple[Form, str]] = []
        for text in chosen:
            parts = _SLOT.split(text)
            slots = frozenset(_named(part)[1] for part in parts[1::2])
            words = frozenset(token.text for part in parts[::2] for token in self._language.tokens(part.strip()))
            ways.append((Form(unit, slots, words), text))
        return ways

    def sentences(self, ways: Sequence[tuple[Form, str]]) -> Iterator[Example]:
        """Yield the sentences of an intent, every way at least once; those with slots more often."""
        rounds = max(1, min(6, _AN_INTENT // max(1, len(ways))))
        made: set[str] = set()
        for number in range(rounds):
            for form, text in ways:
                one = self._filled(form, text)
                if number or self._random.random() < _SLIPS / 2:
                    one = self._slipped(one) if self._random.random() < _SLIPS or not form.slots else one
                if one.text and one.text not in made:
                    made.add(one.text)
                    yield one

    def _filled(self, form: Form, text: str) -> Example:
        out = ""
        slots: list[Filled] = []
        for part in _SLOT.split(text):
            if not part.startswith("{"):
                out += part if out and not out.endswith(" ") else part.lstrip()
                continue
            listed, slot = _named(part)
            value = self._value(form.unit.skill, listed)
            if out and not self._language.ignores_spaces and out[-1].isalnum() and value[:1].isalnum():
                out += " "
            slots.append(Filled(slot, len(out), len(out) + len(value)))
            out += value
        tidy = out.rstrip()
        shape = f"{form.unit.intent} {form.unit.sentence.text}"
        kept = tuple(slot for slot in slots if slot.end <= len(tidy) and slot.start < slot.end)
        return Example(text=tidy, intent=form.unit.intent, slots=kept, shape=shape)

    def _slipped(self, one: Example) -> Example:
        """Return a sentence with a word left out, or with words around it."""
        language, random_ = self._language, self._random
        gap = "" if language.ignores_spaces else " "
        tokens = language.tokens(one.text)
        free = [t for t in tokens if all(t.end <= slot.start or t.start >= slot.end for slot in one.slots)]
        if len(free) > 3 and random_.random() < 0.5:
            left = random_.choice(free)
            end = left.end + len(gap) if left.end < len(one.text) else left.end
            return _moved(one, one.text[: left.start] + one.text[end:], left.start, left.start - end)
        if random_.random() < 0.7:
            lead = random_.choice(language.speech.before) + gap
            return _moved(one, lead + one.text, 0, len(lead))
        return _moved(one, one.text + gap + random_.choice(language.speech.after), len(one.text) + 1, 0)

    def _value(self, skill: CompiledSkill, listed: str) -> str:
        key = (id(skill), listed)
        if key not in self._choices:
            self._choices[key] = self._values(skill, listed)
        choices = self._choices[key]
        return self._random.choice(choices) if choices else self._free()

    def _values(self, skill: CompiledSkill, listed: str) -> Sequence[str]:
        known = skill.lists.get(listed)
        values = self._language.speech.values
        if listed in BOUND:
            return values[BOUND[listed]]
        if isinstance(known, NarrowedList):
            return known.choices
        if isinstance(known, WildcardSlotList):
            return ()
        if isinstance(known, RangeSlotList):
            figures = range(known.start, known.stop + 1, max(1, known.step))
            return [str(figure) for figure in self._random.sample(figures, min(12, len(figures)))] + [
                word for word in values[SlotKind.NUMBER] if not word.isdigit()
            ]
        return values[SlotKind.NUMBER]

    def _free(self) -> str:
        """Return words that nobody listed."""
        tokens = self._language.tokens(self._random.choice(self._language.speech.strange))
        size = self._random.randint(1, min(_FREE_WORDS, len(tokens)))
        first = self._random.randint(0, len(tokens) - size)
        return self._language.join([token.text for token in tokens[first : first + size]])


def _by_slot(item: ListReference) -> str:
    return f"{{{item.list_name}\t{item.slot_name}}}"


def _named(part: str) -> tuple[str, str]:
    listed, _, slot = part[1:-1].partition("\t")
    return listed, slot


def _moved(one: Example, text: str, at: int, by: int) -> Example:
    slots = tuple(Filled(slot.name, slot.start + by, slot.end + by) if slot.start >= at else slot for slot in one.slots)
    return Example(text=text, intent=one.intent, slots=slots, shape=one.shape)
