"""Plain sentences of a template: its alternatives chosen, its slots left open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hassil.intents import RangeSlotList, WildcardSlotList

from earshot_nlu.understanding.language import Language, Token
from earshot_nlu.understanding.model import SlotKind
from earshot_nlu.understanding.templates.compile import BOUND, CompiledSkill, Unit
from earshot_nlu.understanding.templates.lists import NarrowedList
from earshot_nlu.understanding.templates.samples import samples

# Sentences that are made of one template.
_MOST_SENTENCES = 128
_SLOT = re.compile(r"(\{[^}]*\})")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenSlot:
    """A place that words fill.

    Attributes:
        kind: The kind of value that it holds; None: no value.
        choices: The texts that it may hold.
        spellings: The same as they are compared.
        by_sound: Where the choice stands that sounds like the key.
        longest: Most words that are compared with a choice.
        free: Whether it takes any words.
    """

    kind: SlotKind | None
    choices: tuple[str, ...]
    spellings: tuple[str, ...]
    by_sound: Mapping[str, int]
    longest: int
    free: bool


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """One plain sentence.

    Attributes:
        unit: The template that it is of.
        pieces: Words and open slots, in order.
        spelling: Its words as they are compared first.
        weight: What its words weigh.
        words: How many words it has.
        valued: How many of its slots take a value or a text of a list.
        free: How many take anything.
    """

    unit: Unit
    pieces: tuple[Token | OpenSlot, ...]
    spelling: str
    weight: int
    words: int
    valued: int
    free: int


def skeletons(skill: CompiledSkill, language: Language) -> tuple[Skeleton, ...]:
    """Return the plain sentences of a skill."""
    maker = _Maker(skill, language)
    return tuple(skeleton for unit in skill.units for skeleton in maker.of(unit))


class _Maker:
    """Makes the plain sentences of one skill's templates; they share their open slots."""

    def __init__(self, skill: CompiledSkill, language: Language) -> None:
        self._skill = skill
        self._language = language
        self._slots: dict[str, OpenSlot] = {}
        # A list that the skill gives for values is a part of the slot of those values.
        self._merged = {f"{{{name}}}": f"{{{bound}}}" for bound, names in skill.given.items() for name in names}

    def of(self, unit: Unit) -> Iterator[Skeleton]:
        """Yield a template's plain sentences; of too many the shortest, and some of the others."""
        sentences = samples(unit.sentence.expression, unit.data.expansion_rules, _MOST_SENTENCES)
        for text in dict.fromkeys(self._plain(sentence) for sentence in sentences):
            made = self._skeleton(unit, text)
            if made is not None:
                yield made

    def _plain(self, sample: str) -> str:
        for given, bound in self._merged.items():
            sample = sample.replace(given, bound)
        return " ".join(sample.split())

    def _skeleton(self, unit: Unit, sample: str) -> Skeleton | None:
        language = self._language
        pieces: list[Token | OpenSlot] = []
        words: list[str] = []
        weight = free = filled = 0
        for part in _SLOT.split(sample):
            if not part.strip():
                continue
            if part[0] == "{":
                slot = self._slot(part[1:-1])
                free += slot.free
                filled += not slot.free
                pieces.append(slot)
            else:
                tokens = language.tokens(part.strip())
                words.extend(token.text for token in tokens)
                weight += sum(token.weight for token in tokens)
                pieces.extend(tokens)
        # What a slot holds is known only later; it tells about as much as half a short sentence.
        evidence = weight + filled * (language.least_letters // 2 + 1)
        if not words or evidence < language.least_letters or len(words) < language.least_words_beside_wildcard * free:
            return None
        return Skeleton(unit, tuple(pieces), language.spelling(language.join(words)), weight, len(words), filled, free)

    def _slot(self, name: str) -> OpenSlot:
        if name not in self._slots:
            known = self._skill.lists.get(name)
            kind = BOUND.get(name)
            if known is None and kind is None:
                kind = SlotKind.NUMBER  # a range written in the sentence itself
            names = self._skill.given.get(name, set()) | {name}
            choices: list[str] = []
            for one in sorted(names):
                given = self._skill.lists.get(one)
                if isinstance(given, NarrowedList):
                    choices.extend(given.choices)
                elif isinstance(given, RangeSlotList):
                    kind = SlotKind.NUMBER
            self._slots[name] = OpenSlot(
                kind=kind,
                choices=tuple(choices),
                spellings=tuple(self._language.spelling(choice) for choice in choices),
                by_sound={self._language.sounds(choice): index for index, choice in enumerate(choices)},
                longest=1 + max((len(self._language.tokens(choice)) for choice in choices), default=0),
                free=isinstance(known, WildcardSlotList),
            )
        return self._slots[name]
