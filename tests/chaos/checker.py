"""Judges a run by what devices heard and what outside servers saw, and by nothing else.

A turn's sounds are read as units: the right answer, an apology (the cloud's words or the device's own clip), or something
broken: words that are not the right ones, or speech with a part missing, doubled or silent. One unit a turn is due.

    no unit        silent          never ended     lost
    right          answered        one apology     apologised
    one broken     wrong           several units   two sounds

"I can't tell whether that was done" is the right answer of an effect that happens at most once; nobody else may say it, and
only while something is done to the call: to the skill, to dialogue or to the bus between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from chaos.records import Effect, Guarantee, Inflicted, Turn
from chaos.schedule import BUS
from chaos.sounding import Clip, Sentence, Silence, Sound

# A fault's trouble may be heard for a while after its processes are back: a deadline later, at the latest. Not the bus's: it
# has recovered only when all its nodes have had everything for seconds.
AFTERMATH_S = 12.0
MOST_APOLOGIES = 0.01
# Who takes part in the call of the skill whose effect happens at most once. Connections that are cut have their process's stage.
CALLING = ("lamp", "dialogue", BUS)


class Verdict(StrEnum):
    """What became of a turn."""

    ANSWERED = auto()
    UNKNOWN = auto()
    WRONG = auto()
    APOLOGISED = auto()
    SILENT = auto()
    LOST = auto()
    TWO_SOUNDS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the assistant says of itself; each a sequence of sentences.

    Attributes:
        apologies: Every way to apologise, in every locale.
        unknown: Those that say that nobody knows whether an effect happened; also in `apologies`.
    """

    apologies: Collection[tuple[str, ...]]
    unknown: Collection[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """Something that may not happen.

    Attributes:
        turn: The turn that it happened to; None: to an effect that no turn wanted.
        what: What, for people.
    """

    turn: Turn | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A run, judged.

    Attributes:
        verdicts: One a turn, in the turns' order.
        effects_missing: Effects that were promised and did not happen.
        effects_doubled: Effects that happened more often than promised.
        worst_s: Longest time from end of speech to the first sound.
        offences: Why the run has failed; empty: it has not.
    """

    verdicts: tuple[Verdict, ...]
    effects_missing: int
    effects_doubled: int
    worst_s: float
    offences: tuple[Offence, ...]

    def count(self, verdict: Verdict) -> int:
        """Return how many turns came to this."""
        return self.verdicts.count(verdict)


class _Unit(StrEnum):
    RIGHT = auto()
    UNKNOWN = auto()
    APOLOGY = auto()
    BROKEN = auto()


_VERDICTS = {
    _Unit.RIGHT: Verdict.ANSWERED,
    _Unit.APOLOGY: Verdict.APOLOGISED,
    _Unit.BROKEN: Verdict.WRONG,
}


def judge(turns: Sequence[Turn], effects: Sequence[Effect], faults: Sequence[Inflicted], words: Words) -> Judgement:
    """Judge a run."""
    verdicts = tuple(verdict_of(turn, words) for turn in turns)
    offences = list(_heard_wrongly(turns, verdicts, faults))
    missing, doubled = _effects(turns, verdicts, Counter(effect.key for effect in effects))
    offences += missing + doubled
    wanted = {turn.expected.effect for turn in turns}
    offences += [
        Offence(turn=None, what=f"effect {key!r} happened, which nobody wanted")
        for key in sorted({effect.key for effect in effects} - wanted)
    ]
    apologies = verdicts.count(Verdict.APOLOGISED)
    if apologies > MOST_APOLOGIES * len(turns):
        offences.append(Offence(turn=None, what=f"{apologies} of {len(turns)} turns were apologised for"))
    unknown, calling = verdicts.count(Verdict.UNKNOWN), sum(fault.stage in CALLING for fault in faults)
    if unknown > calling:
        offences.append(Offence(turn=None, what=f"{unknown} told that nobody knows, and {calling} faults of a call"))
    waits = [turn.sounded_at - turn.spoken_at for turn in turns if turn.sounded_at and turn.spoken_at]
    return Judgement(
        verdicts=verdicts,
        effects_missing=len(missing),
        effects_doubled=len(doubled),
        worst_s=max(waits, default=0.0),
        offences=tuple(offences),
    )


def verdict_of(turn: Turn, words: Words) -> Verdict:
    """Judge one turn by its sounds."""
    if turn.ended_at is None:
        return Verdict.LOST
    units = list(_units(turn.sounds, turn, words))
    if not units:
        return Verdict.SILENT
    if len(units) > 1:
        return Verdict.TWO_SOUNDS
    if units[0] is _Unit.UNKNOWN:
        honest = turn.expected.effect and turn.expected.guarantee is Guarantee.AT_MOST_ONCE
        return Verdict.UNKNOWN if honest else Verdict.APOLOGISED
    return _VERDICTS[units[0]]


def _units(sounds: Sequence[Sound], turn: Turn, words: Words) -> Iterator[_Unit]:
    place, was_broken = 0, False
    while place < len(sounds):
        unit, length = _unit(sounds[place:], turn, words)
        place += length
        # Pieces of one broken thing are one; the silence around it and between things is nobody's.
        if unit is not None and not (unit is _Unit.BROKEN and was_broken):
            yield unit
        was_broken = unit is _Unit.BROKEN or (was_broken and unit is None)


def _unit(sounds: Sequence[Sound], turn: Turn, words: Words) -> tuple[_Unit | None, int]:
    if isinstance(sounds[0], Silence):
        return None, 1
    if sounds[0] == Clip("apology"):
        return _Unit.APOLOGY, 1
    answer = turn.expected.answer
    if _says(sounds, answer):
        return _Unit.RIGHT, len(answer)
    for sentences in words.apologies:
        if _says(sounds, sentences):
            return (_Unit.UNKNOWN if sentences in words.unknown else _Unit.APOLOGY), len(sentences)
    return _Unit.BROKEN, 1


def _says(sounds: Sequence[Sound], sentences: tuple[str, ...]) -> bool:
    said = sounds[: len(sentences)]
    return len(said) == len(sentences) and all(
        isinstance(sound, Sentence) and sound.whole and sound.text == sentence
        for sound, sentence in zip(said, sentences, strict=True)
    )


def _heard_wrongly(
    turns: Sequence[Turn], verdicts: Sequence[Verdict], faults: Sequence[Inflicted]
) -> Iterator[Offence]:
    for turn, verdict in zip(turns, verdicts, strict=True):
        if verdict is Verdict.APOLOGISED:
            if not any(fault.forgives and _touches(fault, turn, _aftermath_s(fault)) for fault in faults):
                yield Offence(turn=turn, what="apologised, and nothing happened that may cost an answer")
        elif verdict is Verdict.UNKNOWN:
            if not any(fault.stage in CALLING and _touches(fault, turn) for fault in faults):
                yield Offence(turn=turn, what="told that nobody knows, and nothing was done to its call")
        elif verdict is not Verdict.ANSWERED:
            yield Offence(turn=turn, what=verdict.replace("_", " "))


def _aftermath_s(fault: Inflicted) -> float:
    return 0.0 if fault.stage == BUS else AFTERMATH_S


def _touches(fault: Inflicted, turn: Turn, aftermath_s: float = 0.0) -> bool:
    ended = turn.ended_at if turn.ended_at is not None else float("inf")
    return fault.began_at <= ended and turn.began_at <= fault.recovered_at + aftermath_s


def _effects(
    turns: Sequence[Turn], verdicts: Sequence[Verdict], seen: Mapping[str, int]
) -> tuple[list[Offence], list[Offence]]:
    missing, doubled = [], []
    for turn, verdict in zip(turns, verdicts, strict=True):
        expected = turn.expected
        if not expected.effect:
            continue
        count = seen.get(expected.effect, 0)
        # Whoever was told that it did not work, or that nobody knows, was not promised anything.
        if count == 0 and verdict not in (Verdict.APOLOGISED, Verdict.UNKNOWN):
            missing.append(Offence(turn=turn, what=f"effect {expected.effect!r} is missing"))
        if count > 1 and expected.guarantee is not Guarantee.AT_LEAST_ONCE:
            doubled.append(Offence(turn=turn, what=f"effect {expected.effect!r} happened {count} times"))
    return missing, doubled
