"""Finds the plain sentences that an utterance may be a slip of, and lays it along them.

First look: how many letters of a sentence stand in the utterance in order, over all sentences at once in rapidfuzz's
C++, sentences of one length at a time so that what falls short costs nothing. The few best are aligned word by word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process
from rapidfuzz.distance import LCSseq

from earshot_nlu.understanding.fuzzy.align import Alignment, Filling, align
from earshot_nlu.understanding.fuzzy.skeletons import OpenSlot, Skeleton
from earshot_nlu.understanding.language import Language, Token
from earshot_nlu.understanding.model import SlotKind

# Commands are short; what is longer is not a slip of one.
MAX_WORDS = 24
_FIRST_LOOK = 0.72
_ALIGNED = 16
# How alike a value of a list has to be, in per cent: one that sounds the same less, a short one more.
_LEAST_CHOICE = 80.0
_LEAST_BESIDE_SOUND = 70.0
_SAME_SOUND = 92.0
_LEAST_SHORT_CHOICE = 90.0
_SHORT_CHOICE = 4


def least_likeness(skeleton: Skeleton) -> float:
    """Return how alike a sentence has to be: the shorter the more, and more beside a slot that takes anything."""
    if skeleton.free:
        return 0.95
    return {1: 0.94, 2: 0.88, 3: 0.84}.get(skeleton.words, 0.80)


class FuzzyIndex:
    """Plain sentences of every skill in one locale, by length. Immutable once made."""

    def __init__(self, sentences: Iterable[Skeleton], language: Language) -> None:
        self._language = language
        by_length: dict[int, list[Skeleton]] = {}
        for skeleton in sentences:
            by_length.setdefault(len(skeleton.spelling), []).append(skeleton)
        self._groups = [
            (length, [skeleton.spelling for skeleton in group], group) for length, group in sorted(by_length.items())
        ]

    def search(self, text: str, *, free_too: bool) -> list[tuple[Skeleton, Alignment]]:
        """Return the sentences that a normalised text may be a slip of, most alike first, those with free slots last.

        Args:
            text: Normalised.
            free_too: Whether sentences with slots that take anything are looked at.
        """
        heard = self._language.tokens(text)
        if not heard or len(heard) > MAX_WORDS:
            return []
        filler = _Filler(text, heard, self._language)
        found: list[tuple[Skeleton, Alignment]] = []
        for skeleton in self._first_look(self._language.spelling(text), free_too=free_too):
            least = least_likeness(skeleton)
            aligned = align(skeleton, heard, self._language.likeness, filler.fill, least=least)
            if aligned is not None:
                found.append((skeleton, aligned))
        return sorted(found, key=lambda one: (one[0].free, -one[1].likeness))

    def _first_look(self, spelling: str, *, free_too: bool) -> list[Skeleton]:
        best: list[tuple[float, Skeleton]] = []
        for length, spellings, group in self._groups:
            least = int(length * _FIRST_LOOK)
            if least > len(spelling):
                break
            hits = process.extract(spelling, spellings, scorer=LCSseq.similarity, score_cutoff=least, limit=_ALIGNED)
            # Of two sentences whose letters all stand there the longer one explains more.
            best.extend((score / length + score / 100.0, group[index]) for _, score, index in hits)
        best.sort(key=lambda one: -one[0])
        return [skeleton for _, skeleton in best if free_too or not skeleton.free][:_ALIGNED]


class _Filler:
    """Fills open slots with words of one utterance; remembers what it found."""

    def __init__(self, text: str, heard: Sequence[Token], language: Language) -> None:
        self._text = text
        self._heard = heard
        self._language = language
        self._values: dict[SlotKind, frozenset[tuple[int, int]]] = {}
        self._choices: dict[tuple[int, int, int], Filling | None] = {}
        self._spellings: dict[str, tuple[str, str]] = {}

    def fill(self, slot: OpenSlot, start: int, end: int) -> Filling | None:
        """Return what words [start, end) mean in a slot; None where they can't stand in it."""
        first, last = self._heard[start].start, self._heard[end - 1].end
        if slot.free:
            return Filling(self._text[first:last], 0.0, 0)
        if slot.kind is not None and (first, last) in self._stretches(slot.kind):
            return Filling(self._text[first:last], 0.0, last - first)
        if end - start > slot.longest or not slot.choices:
            return None
        key = (id(slot), start, end)
        if key not in self._choices:
            self._choices[key] = self._choice(slot, self._text[first:last])
        return self._choices[key]

    def _stretches(self, kind: SlotKind) -> frozenset[tuple[int, int]]:
        if kind not in self._values:
            spans = self._language.values.find(self._text, kind)
            self._values[kind] = frozenset((span.start, span.end) for span in spans)
        return self._values[kind]

    def _choice(self, slot: OpenSlot, text: str) -> Filling | None:
        if text not in self._spellings:
            self._spellings[text] = (self._language.spelling(text), self._language.sounds(text))
        spelling, sounds = self._spellings[text]
        same_sound = slot.by_sound.get(sounds)
        if same_sound is not None:
            score = max(_SAME_SOUND, fuzz.ratio(spelling, slot.spellings[same_sound]))
            if fuzz.ratio(spelling, slot.spellings[same_sound]) >= _LEAST_BESIDE_SOUND:
                return _filling(slot.choices[same_sound], score)
        least = _LEAST_CHOICE if len(spelling) > _SHORT_CHOICE else _LEAST_SHORT_CHOICE
        hit = process.extractOne(spelling, slot.spellings, scorer=fuzz.ratio, score_cutoff=least)
        return None if hit is None else _filling(slot.choices[hit[2]], hit[1])


def _filling(choice: str, score: float) -> Filling:
    return Filling(choice, (1.0 - score / 100.0) * len(choice), len(choice))
