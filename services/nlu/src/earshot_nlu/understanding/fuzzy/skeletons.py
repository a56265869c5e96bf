"""Plain sentences of a template: its alternatives chosen, its slots left open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from hassil.intents import RangeSlotList, SlotList, TextSlotList
from hassil.sample import sample_expression

from earshot_nlu.understanding.language import Language, Token
from earshot_nlu.understanding.model import SlotKind
from earshot_nlu.understanding.templates.compile import Unit, bound_list

# Sentences that are made of one template, and looked at to make them.
_MAX_SAMPLES = 96
_MAX_LOOKED_AT = 4096
_SLOT = re.compile(r"(\{[^}]*\})")
_KINDS = {bound_list(kind): kind for kind in SlotKind}


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A place that words fill.

    Attributes:
        list_name: As the template names its list.
        kind: The kind of value, where the list is one of an utterance's values.
        choices: The texts that it may hold; None: any text.
        spellings: The same as they are compared.
    """

    list_name: str
    kind: SlotKind | None
    choices: tuple[str, ...] | None = None
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """One plain sentence.

    Attributes:
        unit: The template that it is of.
        pieces: Words and open slots, in order.
        text: Its words.
        spelling: Its words as they are compared first.
        weight: Letters in its words.
        words: How many words it has.
        free: How many of its slots take anything.
    """

    unit: Unit
    pieces: tuple[Token | OpenSlot, ...]
    text: str
    spelling: str
    weight: int
    words: int
    free: int


def skeletons(unit: Unit, language: Language) -> Iterator[Skeleton]:
    """Yield a template's plain sentences, evenly chosen where there are too many."""
    rules = dict(unit.data.expansion_rules)
    samples = dict.fromkeys(
        islice(
            sample_expression(unit.sentence.expression, unit.data.slot_lists, rules, expand_lists=False),
            _MAX_LOOKED_AT,
        )
    )
    texts = list(samples)
    slots: dict[str, OpenSlot] = {}
    for text in texts[:: max(1, len(texts) // _MAX_SAMPLES)]:
        made = _skeleton(unit, text, language, slots)
        if made is not None:
            yield made


def _skeleton(unit: Unit, sample: str, language: Language, slots: dict[str, OpenSlot]) -> Skeleton | None:
    pieces: list[Token | OpenSlot] = []
    words: list[str] = []
    free = 0
    for part in _SLOT.split(sample):
        if not part.strip():
            continue
        if part[0] == "{":
            name = part[1:-1]
            slot = slots.get(name) or slots.setdefault(name, _open_slot(name, unit, language))
            free += slot.choices is None and slot.kind is None
            pieces.append(slot)
        else:
            tokens = language.tokens(part.strip())
            words.extend(token.text for token in tokens)
            pieces.extend(tokens)
    weight = sum(len(word) for word in words)
    if weight < language.least_letters or len(words) < language.least_words_beside_wildcard * free:
        return None
    text = language.join(words)
    return Skeleton(unit, tuple(pieces), text, language.spelling(text), weight, len(words), free)


def _open_slot(list_name: str, unit: Unit, language: Language) -> OpenSlot:
    kind = _KINDS.get(list_name)
    if kind is not None:
        return OpenSlot(list_name, kind)
    slot_list = unit.data.slot_lists.get(list_name)
    if isinstance(slot_list, RangeSlotList) or slot_list is None:
        return OpenSlot(list_name, SlotKind.NUMBER)
    if isinstance(slot_list, TextSlotList):
        choices = _choices(slot_list, unit)
        return OpenSlot(list_name, None, choices, tuple(language.spelling(choice) for choice in choices))
    return OpenSlot(list_name, None)


def _choices(slot_list: TextSlotList, unit: Unit) -> tuple[str, ...]:
    rules = dict(unit.data.expansion_rules)
    lists: dict[str, SlotList] = dict(unit.data.slot_lists)
    texts: dict[str, None] = {}
    for value in slot_list.values:
        for text in islice(sample_expression(value.text_in, lists, rules, expand_lists=False), 8):
            texts[text.strip()] = None
    return tuple(text for text in texts if text and "{" not in text)
