"""Words of one household in one language: values that its skills' lists have for its utterances alone.

What stands in a text as a household says it is found by looking it up. What sounds or looks like it is searched for only
where nothing else accounts for the words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hassil.expression import TextChunk
from hassil.intents import TextSlotValue
from rapidfuzz import fuzz

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.templates.lists import listed_as

# How alike a word has to be, in per cent; less where it sounds the same.
_ALIKE = 84.0
_ALIKE_BESIDE_SOUND = 60.0
# Shorter ones are like too much.
_FEWEST_LETTERS = 4
# A word may have been heard as so many more or fewer.
_APART = 1
_LONGEST_UTTERANCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A word of a household.

    Attributes:
        skill_id: The skill whose list it extends.
        list_name: The list, as its sentences call it.
        text: As the household says it.
    """

    skill_id: str
    list_name: str
    text: str


@dataclass(frozen=True, slots=True)
class _Spelt:
    text: str
    value: str
    size: int
    spelling: str
    sound: str


class Vocabulary:
    """The words of one household in one language. Immutable.

    Args:
        words: Of every skill.
        language: In which they are said.
    """

    def __init__(self, words: Iterable[Known], language: Language) -> None:
        self._language = language
        self._lists: dict[tuple[str, str], dict[str, _Spelt]] = defaultdict(dict)
        for word in words:
            text = language.normalise(word.text).text
            if text:
                self._lists[word.skill_id, word.list_name].setdefault(text, self._spelt(text, word.text))

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._lists)

    def within(self, skill_id: str, list_name: str, runs: frozenset[str]) -> list[TextSlotValue]:
        """Return the values that stand among a text's runs of words, for a list by its own name or a unit's."""
        known = self._lists.get((skill_id, listed_as(list_name)))
        return [] if not known else [_value(text, known[text].value) for text in sorted(known.keys() & runs)]

    def closest(self, skill_id: str, list_name: str, text: str) -> str | None:
        """Return the word that a text is or is like; None where it is like none."""
        known = self._lists.get((skill_id, listed_as(list_name)), {})
        heard = self._spelt(text, text)
        scored = [(self._likeness(heard, word), word.value) for word in known.values()]
        best = max(scored, default=(0.0, ""))
        return best[1] if best[0] else None

    def alike(self, text: str) -> Likenesses:
        """Return what in a text is like a word without being it."""
        tokens = self._language.tokens(text)
        if not self._lists or not tokens or len(tokens) > _LONGEST_UTTERANCE:
            return Likenesses({}, 0.0)
        runs = self._runs(text)
        found: dict[tuple[str, str], list[TextSlotValue]] = {}
        least = 1.0
        for key, known in self._lists.items():
            values: list[TextSlotValue] = []
            for word in known.values():
                near = [run for run in runs if abs(run.size - word.size) <= _APART]
                scored = [(self._likeness(run, word), run.text) for run in near]
                best = max((score for score, _ in scored), default=0.0)
                if best:
                    near_it = [run for score, run in scored if score == best]
                    values += [_value(run, word.value) for run in near_it]
                    least = min(least, 1 - (1 - best) * max(map(len, near_it)) / len(text))
            if values:
                found[key] = values
        return Likenesses(found, least if found else 0.0)

    def _runs(self, text: str) -> list[_Spelt]:
        tokens = self._language.tokens(text)
        longest = self._language.longest_run
        texts = {
            text[begin.start : last.end]: None
            for first, begin in enumerate(tokens)
            for last in tokens[first : first + longest]
        }
        return [self._spelt(run, run) for run in texts]

    def _likeness(self, heard: _Spelt, meant: _Spelt) -> float:
        """Return how alike two texts are, 0 to 1; 0: not enough to be taken for each other."""
        if heard.text == meant.text:
            return 1.0
        if len(meant.spelling) < _FEWEST_LETTERS:
            return 0.0
        sounds = bool(heard.sound) and heard.sound == meant.sound
        score = fuzz.ratio(heard.spelling, meant.spelling, score_cutoff=_ALIKE_BESIDE_SOUND if sounds else _ALIKE)
        return max(score, 95.0) / 100 if score and sounds else score / 100

    def _spelt(self, text: str, value: str) -> _Spelt:
        language = self._language
        return _Spelt(
            text,
            value,
            len(language.tokens(text)),
            language.spelling(text).replace(" ", ""),
            language.sounds(text).replace(" ", ""),
        )


@dataclass(frozen=True, slots=True)
class Likenesses:
    """What in one text is like words of a household.

    Attributes:
        by_list: By skill and list: the text's own words, standing for the household's.
        likeness: Of the whole text with the least alike of them, and what is meant.
    """

    by_list: Mapping[tuple[str, str], list[TextSlotValue]]
    likeness: float

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.by_list)

    def within(self, skill_id: str, list_name: str, runs: frozenset[str]) -> list[TextSlotValue]:
        """As `Vocabulary.within`."""
        del runs
        return list(self.by_list.get((skill_id, listed_as(list_name)), ()))

    def closest(self, skill_id: str, list_name: str, text: str) -> str | None:
        """Return nothing: what is alike was found already."""
        del skill_id, list_name, text
        return None


def _value(text: str, value: str) -> TextSlotValue:
    return TextSlotValue(TextChunk(text), value)
