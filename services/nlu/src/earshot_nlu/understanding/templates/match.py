"""Matches a normalised text against candidate sentences through hassil, and reads the values of the slots."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from hassil.intents import Intent, Intents, IntentsSettings, SlotList, TextSlotList
from hassil.models import MatchEntity
from hassil.recognize import RecognizeResult, recognize_all

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.model import Slot, SlotKind, SlotValue
from earshot_nlu.understanding.templates.compile import Unit, bound_list
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A text to match.

    Attributes:
        text: Normalised, leading back to `source`.
        source: The words as they came.
        moment: When they were said.
    """

    text: Tracked
    source: str
    moment: Moment


def match(units: Iterable[Unit], said: Said, language: Language) -> list[Match]:
    """Return every way to read a text by one of the sentences, each slot read; in no order."""
    text = said.text.text
    if not text or len(text) > _MAX_CHARACTERS:
        return []
    matches: list[Match] = []
    values: dict[SlotKind, TextSlotList] = {}
    for skill_units in _by_skill(units):
        skill = skill_units[0].skill
        intents = Intents(
            language=language.template_language,
            intents={
                intent: Intent(name=intent, data=[unit.data for unit in group])
                for intent, group in _grouped(skill_units)
            },
            settings=IntentsSettings(ignore_whitespace=language.ignores_spaces),
            skip_words=list(skill.skip_words),
        )
        lists = _value_lists(skill_units, said, language, values)
        by_data = {id(unit.data): unit for unit in skill_units}
        for count, result in enumerate(recognize_all(text, intents, slot_lists=lists)):
            if count >= _MAX_RESULTS:
                break
            read = _read(by_data[id(result.intent_data)], result, said, language)
            if read is not None:
                matches.append(read)
    return matches


def _by_skill(units: Iterable[Unit]) -> Iterable[list[Unit]]:
    skills: dict[int, list[Unit]] = {}
    for unit in units:
        skills.setdefault(id(unit.skill), []).append(unit)
    return skills.values()


def _grouped(units: list[Unit]) -> Iterable[tuple[str, list[Unit]]]:
    ordered = sorted(units, key=lambda unit: unit.intent)
    return ((intent, list(group)) for intent, group in groupby(ordered, key=lambda unit: unit.intent))


def _value_lists(
    units: list[Unit], said: Said, language: Language, made: dict[SlotKind, TextSlotList]
) -> dict[str, SlotList]:
    wanted = frozenset().union(*(unit.kinds for unit in units))
    text = said.text.text
    for kind in wanted - made.keys():
        stretches = {text[span.start : span.end] for span in language.values.find(text, kind)}
        made[kind] = TextSlotList.from_tuples(
            ((stretch, stretch) for stretch in stretches if stretch), allow_template=False, name=bound_list(kind)
        )
    return {bound_list(kind): made[kind] for kind in wanted}


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
