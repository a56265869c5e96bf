"""Reads an utterance: every alternative by template, then by likeness, then by the model; ranks what was found.

Words of the household stand in the lists of templates. What is only like one of them is read as it where no sentence
accounts for every word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from functools import lru_cache
from zoneinfo import ZoneInfo

from earshot_nlu.understanding.catalogue import EMPTY, Catalogue, Grammar
from earshot_nlu.understanding.errors import (
    EmptyTextError,
    InvalidReferenceTimeError,
    TextTooLongError,
    UnknownTimeZoneError,
)
from earshot_nlu.understanding.fuzzy.recognise import recognise
from earshot_nlu.understanding.household import Vocabulary
from earshot_nlu.understanding.language import Language, Languages
from earshot_nlu.understanding.model import Alternative, Interpretation, Recognizer, Utterance
from earshot_nlu.understanding.ranking import ACTED_ON, SURE, Reading, confidence, ranked
from earshot_nlu.understanding.statistical.recognise import StatisticalRecognizer
from earshot_nlu.understanding.templates.match import Said, match
from earshot_nlu.understanding.values.calendar import Moment

MAX_CHARACTERS = 1000
MAX_ALTERNATIVES = 5
# Alternatives that the statistical model reads, and how likely a guess of it has to be to be told.
_MOST_GUESSED = 3
_LEAST_GUESS = 0.35
# A template with wildcards of which more than this share of the letters are its own is not doubted.
_OWN_WORDS = 0.5


class Interpreter:
    """Understands utterances with the catalogue it was given last.

    Args:
        languages: Those it serves.
        max_characters: Longest text that is looked at.
    """

    def __init__(self, languages: Languages, *, max_characters: int = MAX_CHARACTERS) -> None:
        self._languages = languages
        self._max_characters = max_characters
        self._catalogue = EMPTY

    @property
    def revision(self) -> int:
        """Revision of the registry that is understood now."""
        return self._catalogue.revision

    def use(self, catalogue: Catalogue) -> None:
        """Understand with another catalogue from the next utterance on."""
        self._catalogue = catalogue

    def interpret(self, utterance: Utterance, words: Vocabulary | None = None) -> Interpretation:
        """Return what an utterance may mean, best first; nothing is an answer.

        Args:
            utterance: What was said.
            words: Of the household that said it, in its language.

        Raises:
            EmptyTextError: No alternative holds a word.
            TextTooLongError: One is longer than max_characters.
            UnknownLocaleError: Its locale is not served.
            UnknownTimeZoneError: Its time zone does not exist.
            InvalidReferenceTimeError: Its reference time is outside the calendar.
        """
        catalogue = self._catalogue
        alternatives = utterance.alternatives[:MAX_ALTERNATIVES]
        if any(len(one.transcript) > self._max_characters for one in alternatives):
            raise TextTooLongError(f"longer than {self._max_characters} characters")
        language = self._languages.of(utterance.locale)
        moment = _moment(utterance)
        known = words or None
        said = [
            (index, Said(text=text, source=one.transcript, moment=moment, context=utterance.context, words=known))
            for index, one in enumerate(alternatives)
            if (text := language.normalise(one.transcript)).text
        ]
        if not said:
            raise EmptyTextError("there are no words in it")
        grammar = catalogue.grammars.get(utterance.locale)
        readings = _readings(grammar, said, language, alternatives, known) if grammar else []
        hypotheses = ranked(readings, alternatives)
        chosen = hypotheses[0].alternative_index if hypotheses else said[0][0]
        return Interpretation(
            hypotheses=hypotheses,
            transcript=alternatives[chosen].transcript,
            registry_revision=catalogue.revision,
        )


def _readings(
    grammar: Grammar,
    said: Sequence[tuple[int, Said]],
    language: Language,
    alternatives: Sequence[Alternative],
    words: Vocabulary | None,
) -> list[Reading]:
    readings: list[Reading] = []
    for index, one in said:
        for form in _forms(one, language):
            units = grammar.templates.candidates(form.text.text)
            # Sentences that account for every word first: where one does, no wildcard has to be tried.
            for free in (False, True):
                found = match([unit for unit in units if unit.free is free], form, language)
                readings.extend(
                    Reading(match=one_way, recognizer=Recognizer.TEMPLATE, likeness=1.0, alternative_index=index)
                    for one_way in found
                )
                if any(confidence(reading, alternatives) >= SURE for reading in readings):
                    return readings
    if readings and any(not reading.match.wildcards for reading in readings):
        return readings
    if words is not None:
        readings += _alike(grammar, said, language, words)
    # A wildcard takes a misheard word as well: a sentence that accounts for every word may still be the one meant.
    free_too = not readings
    for index, one in said:
        *_, form = _forms(one, language)
        readings.extend(
            Reading(match=found, recognizer=Recognizer.FUZZY, likeness=likeness, alternative_index=index)
            for found, likeness in recognise(grammar.fuzzy, form, language, free_too=free_too)
        )
    if grammar.statistical is not None:
        return _beside(readings, grammar.statistical, said, language, alternatives)
    return readings


def _beside(
    readings: Sequence[Reading],
    recognizer: StatisticalRecognizer,
    said: Sequence[tuple[int, Said]],
    language: Language,
    alternatives: Sequence[Alternative],
) -> list[Reading]:
    """Return the readings with what the model says, where none is sure enough or a wildcard took the most of all that are.

    What a wildcard took may have been a sentence of another intent: where the model thinks so the template is doubted.
    """
    sure = [reading for reading in readings if confidence(reading, alternatives) >= ACTED_ON]
    for reading in sure:
        if reading.recognizer is Recognizer.FUZZY or reading.match.covered > reading.match.length * _OWN_WORDS:
            return list(readings)
    taken = {reading.match.unit.intent for reading in sure}
    guesses = _guesses(recognizer, said[:_MOST_GUESSED], language, alternatives)
    others = [guess for guess in guesses if guess.match.unit.intent not in taken]
    if not (sure and others):
        return [*readings, *others]
    left = 1 - max(confidence(guess, alternatives) for guess in others)
    return [replace(reading, likeness=left) if reading in sure else reading for reading in readings] + others


def _alike(grammar: Grammar, said: Sequence[tuple[int, Said]], language: Language, words: Vocabulary) -> list[Reading]:
    """Return what the alternatives mean where something in them is like a word of the household."""
    readings: list[Reading] = []
    for index, one in said:
        *_, form = _forms(one, language)
        alike = words.alike(form.text.text)
        if alike:
            units = [unit for unit in grammar.templates.candidates(form.text.text) if not unit.free]
            readings.extend(
                Reading(match=found, recognizer=Recognizer.FUZZY, likeness=alike.likeness, alternative_index=index)
                for found in match(units, replace(form, words=alike), language)
            )
    return readings


def _guesses(
    recognizer: StatisticalRecognizer,
    said: Sequence[tuple[int, Said]],
    language: Language,
    alternatives: Sequence[Alternative],
) -> list[Reading]:
    """Return what the alternatives mean to the statistical model; what is hardly likely is nothing."""
    bare = [list(_forms(one, language))[-1] for _, one in said]
    guesses = [
        Reading(match=found[0], recognizer=Recognizer.STATISTICAL, likeness=found[1], alternative_index=index)
        for (index, _), found in zip(said, recognizer.recognise(bare), strict=True)
        if found is not None
    ]
    return [guess for guess in guesses if confidence(guess, alternatives) >= _LEAST_GUESS]


def _forms(said: Said, language: Language) -> Iterator[Said]:
    """Yield a text as it is and, where that differs, without its fillers."""
    yield said
    bare = language.without_fillers(said.text)
    if bare is not said.text and bare.text:
        yield replace(said, text=bare)


def _moment(utterance: Utterance) -> Moment:
    zone = _zone(utterance.time_zone or "UTC")
    try:
        # A day's room on both sides, so that no zone leads outside.
        instant = utterance.reference_time.astimezone(UTC)
        if not 1971 <= instant.year <= 9000:
            raise InvalidReferenceTimeError("the reference time is outside the years 1971 to 9000")
    except (OverflowError, ValueError) as error:
        raise InvalidReferenceTimeError("the reference time is outside the calendar") from error
    return Moment(instant, zone)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownTimeZoneError(f"no time zone {name[:60]!r}") from error
