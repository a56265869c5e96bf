"""Reads an utterance with the statistical model and brings what it found into the form of a template's match.

The model's intent counts only while templates have it. Its slots are read as the intent declares them: numbers,
durations and times by their stretches, listed values by spelling and sound, free ones as they were said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from zlib import crc32

from hassil.intents import WildcardSlotList
from rapidfuzz import fuzz, process

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.model import Slot, SlotKind, SlotValue
from earshot_nlu.understanding.statistical.drawing import Form
from earshot_nlu.understanding.statistical.examples import Filled
from earshot_nlu.understanding.statistical.model import Reading, StatisticalModel
from earshot_nlu.understanding.statistical.naming import named
from earshot_nlu.understanding.templates.compile import Unit, references_of
from earshot_nlu.understanding.templates.lists import NarrowedList
from earshot_nlu.understanding.templates.match import Match, Said
from earshot_nlu.understanding.values.calendar import Moment

# Longer utterances are no commands.
_MOST_WORDS = 32
# How alike a listed value has to be, in per cent; less where it sounds the same.
_ALIKE = 82.0
_ALIKE_BESIDE_SOUND = 65.0
# What is left of the certainty where the slots are not those of any way to say the intent, and where what is said is about
# a thing that no sentence of the model's has: not enough to act on.
_MISFIT = 0.75
_UNKNOWN_THING = 0.5
# No template accounts for it: never as sure as one that does.
MOST_SURE = 0.9


class _Choices:
    """Listed values of a slot, as they are compared."""

    def __init__(self, lists: Mapping[str, NarrowedList], language: Language) -> None:
        self._language = language
        self._lists = lists
        self._texts = list(lists)
        self._spellings = [language.spelling(text) for text in self._texts]
        self._by_sound: dict[str, list[int]] = {}
        for index, text in enumerate(self._texts):
            self._by_sound.setdefault(language.sounds(text), []).append(index)

    def value(self, text: str) -> str | None:
        """Return what a text means: itself, or what sounds or looks like it."""
        meant = text if text in self._lists else self._closest(text)
        if meant is None:
            return None
        value = self._lists[meant].within(frozenset((meant,))).values[0].value_out
        return meant if value is None else str(value)

    def _closest(self, text: str) -> str | None:
        spelling = self._language.spelling(text)
        same = self._by_sound.get(self._language.sounds(text), [])
        scored = [(fuzz.ratio(spelling, self._spellings[index]), index) for index in same]
        if scored and max(scored)[0] >= _ALIKE_BESIDE_SOUND:
            return self._texts[max(scored)[1]]
        hit = process.extractOne(spelling, self._spellings, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        return None if hit is None else self._texts[hit[2]]


class StatisticalRecognizer:
    """A locale's model with the templates that it speaks for.

    Args:
        model: Trained from these templates, or from those of a moment before.
        forms: Ways to say each intent.
        language: Their language.
    """

    def __init__(self, model: StatisticalModel, forms: Mapping[str, Sequence[Form]], language: Language) -> None:
        self.model = model
        self.forms = forms
        self.language = language
        self._choices: dict[tuple[str, str], _Choices | None] = {}

    def warm(self, moment: Moment) -> None:
        """Make what is made at first use, so that no turn waits for it."""
        for intent, forms in self.forms.items():
            for name in sorted({name for form in forms for name in form.slots}):
                self._listed("", name, forms)
            text = self.language.join(sorted(forms[0].words)) or intent
            self.model.slots.fill(text, intent)
            self.recognise([Said(text=self.language.normalise(text), source=text, moment=moment)])

    def recognise(self, said: Sequence[Said]) -> list[tuple[Match, float] | None]:
        """Return for each text what it means and how likely that is; None where it means nothing registered."""
        asked = [one for one in said if 0 < len(self.language.tokens(one.text.text)) <= _MOST_WORDS]
        readings = self.model.read([one.text.text for one in asked]) if asked else []
        found = {id(one): self._match(one, reading) for one, reading in zip(asked, readings, strict=True)}
        return [found.get(id(one)) for one in said]

    def _match(self, said: Said, reading: Reading) -> tuple[Match, float] | None:
        forms = self.forms.get(reading.intent)
        if not forms:
            return None
        slots = [slot for filled in reading.slots if (slot := self._slot(filled, forms, said)) is not None]
        named = {slot.name: slot for slot in slots}
        words = frozenset(token.text for token in self.language.tokens(said.text.text))
        best = max(forms, key=lambda form: _fit(form, named.keys(), words))
        fits = best.slots == named.keys()
        implied = [
            Slot(name=name, text="", value=str(value))
            for name, value in best.unit.data.slots.items()
            if fits and name not in named
        ]
        text = said.text.text
        filled = sum(slot.end - slot.start for slot in reading.slots)
        match = Match(
            unit=best.unit,
            slots=(*named.values(), *implied),
            wildcards=0,
            covered=len(text),
            literal=max(0, len(text) - filled),
            length=len(text),
        )
        sure = min(MOST_SURE, reading.confidence) * (1.0 if fits else _MISFIT)
        return match, sure * (_UNKNOWN_THING if self._is_about_another_thing(text, reading) else 1.0)

    def _is_about_another_thing(self, text: str, reading: Reading) -> bool:
        return any(
            crc32(token.text.encode()) not in self.model.words
            and not any(slot.start < token.end and token.start < slot.end for slot in reading.slots)
            for token in named(text, self.language)
        )

    def _slot(self, filled: Filled, forms: Sequence[Form], said: Said) -> Slot | None:
        text = said.text.text[filled.start : filled.end]
        first, last = said.text.span(filled.start, filled.end)
        words = said.source[first:last].strip()
        units = [form.unit for form in forms if filled.name in form.slots]
        if not units or not text:
            return None
        kind = units[0].slot_kinds.get(filled.name, SlotKind.TEXT)
        value: SlotValue | None = self._listed(text, filled.name, forms) or _of_household(
            text, filled.name, units, said
        )
        if kind is not SlotKind.TEXT:
            value = self._valued(str(value) if value is not None else text, kind, said)
            if value is None:
                value = self._stretch(filled, kind, said)
        elif value is None and _free(filled.name, units):
            value = words
        return None if value is None else Slot(name=filled.name, text=words, value=value)

    def _valued(self, text: str, kind: SlotKind, said: Said) -> SlotValue | None:
        return self.language.values.read(self.language.normalise(text).text, kind, said.moment)

    def _stretch(self, filled: Filled, kind: SlotKind, said: Said) -> SlotValue | None:
        """Return the longest value that overlaps what fills a slot."""
        text = said.text.text
        spans = [
            span
            for span in self.language.values.find(text, kind)
            if span.start < filled.end and span.end > filled.start
        ]
        for span in sorted(spans, key=lambda span: span.start - span.end):
            value = self.language.values.read(text[span.start : span.end], kind, said.moment)
            if value is not None:
                return value
        return None

    def _listed(self, text: str, name: str, forms: Sequence[Form]) -> str | None:
        """Return what a text means in the lists of a slot."""
        key = (forms[0].unit.intent, name)
        if key not in self._choices:
            lists = {
                choice: known
                for form in forms
                for item in references_of(form.unit)
                if item.slot_name == name
                and isinstance(known := form.unit.skill.lists.get(item.list_name), NarrowedList)
                for choice in known.choices
            }
            self._choices[key] = _Choices(lists, self.language) if lists else None
        choices = self._choices[key]
        return choices.value(text) if choices and text else None


def _fit(form: Form, slots: AbstractSet[str], words: frozenset[str]) -> tuple[bool, float]:
    shared = len(form.words & words)
    return form.slots == slots, shared / (1 + len(form.words | words))


def _of_household(text: str, name: str, units: Sequence[Unit], said: Said) -> str | None:
    """Return the household's word that a slot's text is like, in one of the lists that fill the slot."""
    if said.words is None:
        return None
    lists = {
        (unit.skill.skill_id, item.list_name)
        for unit in units
        for item in references_of(unit)
        if item.slot_name == name
    }
    found = (said.words.closest(skill, listed, text) for skill, listed in sorted(lists))
    return next((word for word in found if word is not None), None)


def _free(name: str, units: Sequence[Unit]) -> bool:
    return any(
        isinstance(unit.skill.lists.get(item.list_name), WildcardSlotList)
        for unit in units
        for item in references_of(unit)
        if item.slot_name == name
    )
