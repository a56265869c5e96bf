"""How sure a reading is, and which comes first.

template, every word accounted for            1.00
template with wildcards                       0.60 to 0.95, by the share of the text that is not in them; less where
                                              that is less than half and the model is surer of another intent
fuzzy                                         0.50 to 0.85, by the likeness of what was heard and what is meant
fuzzy with wildcards                          four fifths of that
statistical                                   0 to 0.90, how likely it is right as learnt from held-out sentences
fuzzy, 0.9 alike, beside a template whose
wildcard took the same words                  just above that template: what is known is meant rather than unknown
a wildcard and nothing else                   0.30
read from the second alternative and later    less by what the recogniser believed in it less, and by 0.02 a place
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earshot_nlu.understanding.model import Alternative, Hypothesis, Recognizer, SlotKind
from earshot_nlu.understanding.templates.match import Match

MAX_HYPOTHESES = 5
TEXT = SlotKind.TEXT
# A reading this sure ends the search.
SURE = 0.99
# Below it a caller should ask instead of act.
ACTED_ON = 0.5
FUZZY_FLOOR = 0.80
_GUESSED_WITH_WILDCARD = 0.8
_CLOSE = 0.9
_JUST_ABOVE = 0.005
_BELIEF_LOST = 0.5
_PLACE_LOST = 0.02
_FIGURES = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A match with what it was found by and where.

    Attributes:
        match: What was matched.
        recognizer: What matched it.
        likeness: Template: 1, less where it is doubted; fuzzy: of what was heard and what is meant; statistical: how
            likely it is right.
        alternative_index: Of the alternative that was read.
    """

    match: Match
    recognizer: Recognizer
    likeness: float
    alternative_index: int


def confidence(reading: Reading, alternatives: Sequence[Alternative]) -> float:
    """Return how sure a reading is, 0 to 1."""
    match = reading.match
    sure = _certainty(match) * reading.likeness
    if reading.recognizer is Recognizer.FUZZY:
        sure = 0.5 + 0.35 * (reading.likeness - FUZZY_FLOOR) / (1.0 - FUZZY_FLOOR)
        if match.wildcards:
            sure *= _GUESSED_WITH_WILDCARD
    elif reading.recognizer is Recognizer.STATISTICAL:
        sure = reading.likeness
    if reading.alternative_index:
        lost = alternatives[0].confidence - alternatives[reading.alternative_index].confidence
        sure -= _PLACE_LOST * reading.alternative_index + _BELIEF_LOST * max(0.0, lost)
    return round(min(1.0, max(0.0, sure)), 4)


def ranked(readings: Iterable[Reading], alternatives: Sequence[Alternative]) -> tuple[Hypothesis, ...]:
    """Return the hypotheses, best first, each meaning once."""
    scored = [(confidence(reading, alternatives), reading) for reading in readings]
    scored = sorted(((_raised(sure, reading, scored), reading) for sure, reading in scored), key=_order)
    best: dict[object, Hypothesis] = {}
    for sure, reading in scored:
        match = reading.match
        meaning = (match.unit.intent, tuple(sorted((slot.name, repr(slot.value)) for slot in match.slots)))
        if sure > 0 and meaning not in best:
            best[meaning] = Hypothesis(
                intent=match.unit.intent,
                confidence=sure,
                slots=match.slots,
                recognizer=reading.recognizer,
                alternative_index=reading.alternative_index,
                skill_version=match.unit.skill.version,
            )
    return tuple(best.values())[:MAX_HYPOTHESES]


def _raised(sure: float, reading: Reading, scored: Sequence[tuple[float, Reading]]) -> float:
    """Return a guess's confidence, raised above that of wildcards which only took the misheard words.

    Not where the guess has fewer slots: then it leaves out what the wildcard took.
    """
    if reading.recognizer is not Recognizer.FUZZY or reading.match.wildcards or reading.likeness < _CLOSE:
        return sure
    beside = [
        other
        for other, rival in scored
        if rival.match.wildcards and rival.match.unit.intent == reading.match.unit.intent
        if rival.alternative_index == reading.alternative_index
        if len(rival.match.slots) <= len(reading.match.slots)
    ]
    return max(sure, round(max(beside) + _JUST_ABOVE, 4)) if beside else sure


def _certainty(match: Match) -> float:
    if match.wildcards == 0:
        return 1.0
    if not match.unit.clauses and match.covered <= match.wildcards:
        return 0.3
    share = match.covered / match.length if match.length else 0.0
    return 0.6 + 0.35 * share - 0.03 * (match.wildcards - 1)


def _order(scored: tuple[float, Reading]) -> tuple[float, int, int, int, int, int, tuple[int, ...], str]:
    """Most certain first; then fewer wildcards, fewer pieces, longer names, more own words, the newer version, the name.

    So "bedroom lamp" is the lamp of that name where there is one, and else the lamp in the bedroom.
    """
    sure, reading = scored
    match = reading.match
    kinds = match.unit.slot_kinds
    name = max((len(slot.text) for slot in match.slots if kinds.get(slot.name, TEXT) is TEXT), default=0)
    said = sum(bool(slot.text) for slot in match.slots)
    version = tuple(-int(figure) for figure in _FIGURES.findall(match.unit.skill.version)[:3])
    return (-sure, match.wildcards, said, -name, -match.literal, reading.alternative_index, version, match.unit.intent)
