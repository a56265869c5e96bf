"""Draws from the templates of skills what their model is trained from: plain sentences with their slots filled.

Of every intent about so many, so that none counts more because it has more ways to be said. A part comes with a slip:
a word left out, a few words around it. The same skills always give the same sentences.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from random import Random

from hassil.expression import ListReference
from hassil.intents import RangeSlotList, WildcardSlotList

from earshot_nlu.understanding.language import Language, Token
from earshot_nlu.understanding.model import SlotKind
from earshot_nlu.understanding.statistical.examples import Example, Filled
from earshot_nlu.understanding.statistical.naming import A_NAME, named
from earshot_nlu.understanding.templates.compile import BOUND, CompiledSkill, Unit
from earshot_nlu.understanding.templates.lists import NarrowedList, listed_as
from earshot_nlu.understanding.templates.samples import samples

_AN_INTENT = 48
# Of all intents together, but of none fewer: what a training costs.
_ALTOGETHER = 4000
_FEWEST_OF_MANY = 30
_A_UNIT = 4
_MOST_FORMS = 24
_SLIPS = 0.3
# Sentences of an intent that are made to be about a thing that no skill knows.
_FOREIGN = 6
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
        examples: To train from; those without an intent are commands about what no skill knows.
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
    most = max(_FEWEST_OF_MANY, _ALTOGETHER // max(1, len(units)))
    things = _unknown(units.values(), lists, language)
    examples: list[Example] = []
    forms: dict[str, tuple[Form, ...]] = {}
    for intent, group in sorted(units.items()):
        drawer = _Drawer(language, Random(intent))  # noqa: S311 - chooses sentences, the same every time
        ways = [way for unit in group for way in drawer.ways(unit, max(_A_UNIT, _AN_INTENT // len(group)))]
        forms[intent] = tuple({(form.unit, form.slots, form.words): form for form, _ in ways}.values())
        drawn = _spread(list(drawer.sentences(ways)), most)
        examples += drawn
        if things:
            examples += drawer.foreign(drawn, things)
    return Drawn(
        examples=tuple(examples), lists={name: tuple(sorted(values)) for name, values in lists.items()}, forms=forms
    )


def _unknown(
    groups: Iterable[Sequence[Unit]], lists: Mapping[str, AbstractSet[str]], language: Language
) -> Sequence[str]:
    """Return what everyday speech is about, as far as it stands in no sentence and no list."""
    texts = {text for group in groups for unit in group for clause in unit.clauses for text in clause}
    known = texts | {token.text for values in lists.values() for value in values for token in language.tokens(value)}
    normalised = (language.normalise(text).text for text in language.speech.strange)
    return sorted({thing.text for text in normalised for thing in named(text, language)} - known)


def _spread(examples: Sequence[Example], most: int) -> Sequence[Example]:
    """Return at most so many, from everywhere among them."""
    if len(examples) <= most:
        return examples
    return [examples[number * len(examples) // most] for number in range(most)]


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

    def foreign(self, drawn: Sequence[Example], things: Sequence[str]) -> Iterator[Example]:
        """Yield sentences of the intent that are for nobody, because what they name is nothing that a skill knows."""
        made: set[str] = set()
        for one in self._random.sample(drawn, len(drawn)):
            name = self._named_thing(one)
            if name is None:
                continue
            text = one.text[: name.start] + self._random.choice(things) + one.text[name.end :]
            if text not in made:
                made.add(text)
                yield Example(text=text, intent="", shape=f"foreign {one.shape}")
            if len(made) == _FOREIGN:
                return

    def _named_thing(self, one: Example) -> Token | None:
        """Return the word that names what a sentence is about; None where none does, or a slot's words may."""
        tokens = self._language.tokens(one.text)
        slots = {at for at, token in enumerate(tokens) if any(s.start <= token.start < s.end for s in one.slots)}
        for at in range(len(tokens) - 1, 0, -1):
            before = tokens[at - 1].text in self._language.speech.pointers or at - 1 in slots
            if before and at not in slots and tokens[at].weight >= A_NAME:
                return tokens[at]
        return None

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
