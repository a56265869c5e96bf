"""Matches a normalised text against candidate sentences through hassil, and reads the values of the slots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Protocol

from hassil.expression import TextChunk
from hassil.intents import Intent, Intents, IntentsSettings, SlotList, TextSlotList, TextSlotValue
from hassil.models import MatchEntity
from hassil.recognize import RecognizeResult, recognize_all
from hassil.util import remove_skip_words

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.model import Slot, SlotKind, SlotValue
from earshot_nlu.understanding.templates.compile import BOUND, CompiledSkill, Unit
from earshot_nlu.understanding.templates.lists import NarrowedList, runs_of
from earshot_nlu.understanding.templates.shape import squeezed
from earshot_nlu.understanding.tracked import Tracked
from earshot_nlu.understanding.values.calendar import Moment

# Wildcards make hassil try every split of the text; longer ones than anybody says would cost seconds.
_MAX_CHARACTERS = 300
# One utterance does not mean more than a few things; templates that overlap a lot could otherwise give thousands.
_MAX_RESULTS = 24
_EDGES = re.compile(
    r"^[\s\"'“”‘’.,!?;:。，！？；：、…()（）《》「」]+|[\s\"'“”‘’.,!?;:。，！？；：、…()（）《》「」]+$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One way to read a text.

    Attributes:
        unit: The sentence that matched.
        slots: In the order in which they were said, then those that the template implies.
        wildcards: How many slots took whatever stood there.
        covered: Characters of the text that are in no wildcard.
        literal: Characters of the text that are in no slot.
        length: Characters of the text.
    """

    unit: Unit
    slots: tuple[Slot, ...]
    wildcards: int
    covered: int
    literal: int
    length: int


class Words(Protocol):
    """What lists hold for this text beside what skills gave them."""

    def within(self, skill_id: str, list_name: str, runs: frozenset[str]) -> list[TextSlotValue]:
        """Return the values of a list that stand among a text's runs of words."""

    def closest(self, skill_id: str, list_name: str, text: str) -> str | None:
        """Return the value of a list that a text is or is like; None where it is like none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A text to match.

    Attributes:
        text: Normalised, leading back to `source`.
        source: The words as they came.
        moment: When they were said.
        context: What templates may require.
        words: Of the household; None: nothing is known of it.
    """

    text: Tracked
    source: str
    moment: Moment
    context: Mapping[str, str] = field(default_factory=dict)
    words: Words | None = None


def match(units: Iterable[Unit], said: Said, language: Language) -> list[Match]:
    """Return every way to read a text by one of the sentences, each slot read; in no order."""
    text = said.text.text
    if not text or len(text) > _MAX_CHARACTERS:
        return []
    matches: list[Match] = []
    lists = _Lists(said, language)
    for skill_units in _by_skill(units):
        skill = skill_units[0].skill
        forms = _forms(text, skill.skip_words, language)
        able = [unit for unit in skill_units if any(unit.shape.fullmatch(form) for form in forms) and lists.fill(unit)]
        if not able:
            continue
        intents = Intents(
            language=language.template_language,
            intents={
                intent: Intent(name=intent, data=[unit.data for unit in group]) for intent, group in _grouped(able)
            },
            settings=IntentsSettings(ignore_whitespace=language.ignores_spaces),
            skip_words=list(skill.skip_words),
        )
        by_data = {id(unit.data): unit for unit in able}
        results = _results(text, intents, lists.of(skill), said.context)
        if not results and language.ignores_spaces and " " in text:
            # hassil stumbles over a space beside some optional words; without a wildcard no space means anything.
            close = _results(text.replace(" ", ""), intents, lists.of(skill), said.context)
            results = [result for result in close if not any(entity.is_wildcard for entity in result.entities_list)]
        read = (_read(by_data[id(result.intent_data)], result, said, language) for result in results)
        matches.extend(one for one in read if one is not None)
    return matches


def _results(
    text: str, intents: Intents, lists: dict[str, SlotList], context: Mapping[str, str]
) -> list[RecognizeResult]:
    found = recognize_all(text, intents, slot_lists=lists, intent_context=dict(context))
    return list(islice(found, _MAX_RESULTS))


def _forms(text: str, skip_words: tuple[str, ...], language: Language) -> list[str]:
    """Return the text as shapes are matched against it, with and without a skill's skip words."""
    forms = [squeezed(text)]
    if any(word in text for word in skip_words):
        forms.append(squeezed(remove_skip_words(text, skip_words, language.ignores_spaces)))
    return forms


class _Lists:
    """The lists that a text's candidate sentences need, made when the first of them needs each."""

    def __init__(self, said: Said, language: Language) -> None:
        self._text = said.text.text
        self._words = said.words
        self._language = language
        self._runs: frozenset[str] | None = None
        self._values: dict[str, SlotList] = {}
        self._lists: dict[int, dict[str, SlotList]] = {}

    def fill(self, unit: Unit) -> bool:
        """Make a sentence's lists; tell whether those that it can't do without have a value."""
        made = self._lists.setdefault(id(unit.skill), {})
        for clause in unit.list_clauses:
            if not any(_has_values(self._made(name, unit.skill, made)) for name in sorted(clause)):
                return False
        for name in unit.lists:
            self._made(name, unit.skill, made)
        return True

    def of(self, skill: CompiledSkill) -> dict[str, SlotList]:
        """Return a skill's lists as far as they were made."""
        return self._lists[id(skill)]

    def _made(self, name: str, skill: CompiledSkill, made: dict[str, SlotList]) -> SlotList:
        if name not in made:
            known = skill.lists.get(name)
            if name in BOUND:
                made[name] = self._stretches(name)
            elif isinstance(known, NarrowedList):
                if self._runs is None:
                    self._runs = runs_of(self._text, self._language)
                given = known.within(self._runs)
                if self._words is not None:
                    given = _joined(given, self._words.within(skill.skill_id, name, self._runs))
                made[name] = self._not_read(given, name, skill, made)
            elif known is not None:
                made[name] = known
        return made[name]

    def _not_read(self, given: TextSlotList, name: str, skill: CompiledSkill, made: dict[str, SlotList]) -> SlotList:
        """Return a list without what is read as a value anyway, which would only be found twice."""
        for bound, names in skill.given.items():
            stretches = self._made(bound, skill, made) if name in names and given.values else None
            if isinstance(stretches, TextSlotList):
                read = {str(value.value_out) for value in stretches.values}
                values = [value for value in given.values if not _stands_for_itself(value, read)]
                return TextSlotList(name=given.name, values=values)
        return given

    def _stretches(self, name: str) -> SlotList:
        if name not in self._values:
            spans = self._language.values.find(self._text, BOUND[name])
            stretches = {self._text[span.start : span.end] for span in spans if span.start < span.end}
            self._values[name] = TextSlotList(
                name=name,
                values=[
                    TextSlotValue(TextChunk(stretch), stretch) for stretch in sorted(stretches, key=len, reverse=True)
                ],
            )
        return self._values[name]


def _joined(given: TextSlotList, more: list[TextSlotValue]) -> TextSlotList:
    """Return a list with more values; what the skill gave comes first, and is not given again."""
    texts = {value.text_in.text for value in given.values if isinstance(value.text_in, TextChunk)}
    new = [value for value in more if isinstance(value.text_in, TextChunk) and value.text_in.text not in texts]
    return TextSlotList(name=given.name, values=[*given.values, *new]) if new else given


def _stands_for_itself(value: TextSlotValue, texts: set[str]) -> bool:
    text = value.text_in.text if isinstance(value.text_in, TextChunk) else ""
    return text in texts and value.value_out in {None, text}


def _has_values(slot_list: SlotList) -> bool:
    return not isinstance(slot_list, TextSlotList) or bool(slot_list.values)


def _by_skill(units: Iterable[Unit]) -> Iterable[list[Unit]]:
    skills: dict[int, list[Unit]] = {}
    for unit in units:
        skills.setdefault(id(unit.skill), []).append(unit)
    return skills.values()


def _grouped(units: list[Unit]) -> Iterable[tuple[str, list[Unit]]]:
    ordered = sorted(units, key=lambda unit: unit.intent)
    return ((intent, list(group)) for intent, group in groupby(ordered, key=lambda unit: unit.intent))


def _read(unit: Unit, result: RecognizeResult, said: Said, language: Language) -> Match | None:
    slots: list[Slot] = []
    wildcards = free = filled = 0
    for entity in result.entities_list:
        slot = _slot(entity, unit, said, language)
        if slot is None:
            return None
        slots.append(slot)
        filled += len(entity.text)
        if entity.is_wildcard:
            wildcards += 1
            free += len(entity.text)
    length = len(said.text.text)
    return Match(
        unit=unit,
        slots=tuple(slots),
        wildcards=wildcards,
        covered=max(0, length - free),
        literal=max(0, length - filled),
        length=length,
    )


def _slot(entity: MatchEntity, unit: Unit, said: Said, language: Language) -> Slot | None:
    """Return a slot read by its kind; None where its words are not of that kind."""
    kind = unit.slot_kinds.get(entity.name, SlotKind.TEXT)
    words = _words(entity, said)
    value: SlotValue | None
    if isinstance(entity.value, bool):
        value = str(entity.value).lower()
    elif isinstance(entity.value, int | float):
        value = float(entity.value)
    elif kind is SlotKind.TEXT:
        value = words if entity.is_wildcard else str(entity.value)
    else:
        value = language.values.read(language.normalise(str(entity.value)).text, kind, said.moment)
    if value is None or (entity.is_wildcard and not words):
        return None
    return Slot(name=entity.name, text=words, value=value)


def _words(entity: MatchEntity, said: Said) -> str:
    """Return the slot's words as they were said."""
    if entity.text_span is None or not entity.text.strip():
        return entity.text.strip()
    start, end = entity.text_span
    text = said.text.text
    heard = entity.text.strip()
    if text[start:end].strip() != heard:
        # hassil counts differently where it dropped spaces; the words themselves are right.
        start = text.find(heard)
        if start < 0:
            return heard
        end = start + len(heard)
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    first, last = said.text.span(start, end)
    return _EDGES.sub("", said.source[first:last])
