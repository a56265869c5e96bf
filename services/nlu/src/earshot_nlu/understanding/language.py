"""What a language knows: how its words are normalised, how they sound, and what its dates and numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from earshot_nlu.understanding.errors import UnknownLocaleError
from earshot_nlu.understanding.model import SlotKind, SlotValue
from earshot_nlu.understanding.tracked import Tracked
from earshot_nlu.understanding.values.calendar import Moment


@dataclass(frozen=True, slots=True)
class Token:
    """One word (Mandarin: one character) of a normalised text.

    Attributes:
        text: The word.
        start: Its first character.
        end: One past its last character.
        sound: A phonetic key; equal keys sound alike.
        weight: What it costs to leave it out: its letters, or less for words that say little.
        excess: What it costs to say it where it does not belong; more, because a word more may mean something else.
    """

    text: str
    start: int
    end: int
    sound: str
    weight: int
    excess: float


@dataclass(frozen=True, slots=True)
class ValueSpan:
    """A stretch of normalised text that can be read as a value."""

    start: int
    end: int


class ValueReader(Protocol):
    """Finds and reads dates, numbers and durations in normalised text."""

    def find(self, text: str, kind: SlotKind) -> Sequence[ValueSpan]:
        """Return every stretch that `read` would understand, parts of longer ones included."""

    def read(self, text: str, kind: SlotKind, moment: Moment) -> SlotValue | None:
        """Return what a stretch means when it is said at a moment; None where it is not of that kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Words of a language that no skill gives.

    Attributes:
        strange: Sentences that are not for us.
        values: Ways to say a value of each kind.
        before: What people say before a command.
        after: What they say after it.
        pointers: Words behind which a thing is named: "the".
    """

    strange: tuple[str, ...]
    values: Mapping[SlotKind, tuple[str, ...]]
    before: tuple[str, ...]
    after: tuple[str, ...]
    pointers: frozenset[str] = frozenset()


class Language(Protocol):
    """One language as understanding needs it. Stateless but for caches; safe to use from several threads.

    Attributes:
        locale: BCP-47.
        template_language: As hassil names it, for number words.
        ignores_spaces: Whether words are written without spaces between them.
        longest_run: Most words that a value of a list has, longer ones are looked for otherwise.
        least_letters: A sentence with fewer letters is never guessed: too much sounds like it.
        least_words_beside_wildcard: Nor is one with fewer words of its own for each slot that takes anything.
        values: Its dates, numbers and durations.
        speech: Everyday speech that is for nobody's skill, and ways to say values, fillers and free words: what a model
            is trained with beside the sentences of skills.
    """

    locale: str
    template_language: str
    ignores_spaces: bool
    longest_run: int
    least_letters: int
    least_words_beside_wildcard: int
    values: ValueReader
    speech: Speech

    def normalise(self, text: str) -> Tracked:
        """Return the text as templates are matched against it."""

    def normalise_literal(self, text: str) -> str:
        """Return the literal text of a template, normalised alike; spaces at its ends are kept."""

    def prepare_template(self, template: str) -> str:
        """Return a template with what runs across its brackets rewritten ("what['s]"), before its pieces are."""

    def without_fillers(self, text: Tracked) -> Tracked:
        """Return the text without politeness and hesitation at its ends; the same object where there is none."""

    def tokens(self, text: str) -> Sequence[Token]:
        """Return the words of a normalised text."""

    def likeness(self, heard: Token, meant: Token) -> float:
        """Return how easily one word is taken for another: 1 the same, 0 never."""

    def spelling(self, text: str) -> str:
        """Return a normalised text in letters that are alike where it sounds alike."""

    def sounds(self, text: str) -> str:
        """Return what a normalised text sounds like; texts that sound alike give the same."""

    def join(self, words: Sequence[str]) -> str:
        """Return words as a text."""


class Languages:
    """The languages of this build."""

    def __init__(self, languages: Sequence[Language]) -> None:
        self._languages: Mapping[str, Language] = {language.locale: language for language in languages}

    @property
    def locales(self) -> frozenset[str]:
        """Their locales."""
        return frozenset(self._languages)

    def warm(self) -> None:
        """Load everything that is loaded at first use; about a second."""
        moment = Moment(datetime.now(UTC), ZoneInfo("UTC"))
        for language in self._languages.values():
            language.sounds(language.normalise("warm 暖").text)
            for kind in SlotKind:
                language.values.read("tomorrow 明天 5", kind, moment)

    def of(self, locale: str) -> Language:
        """Return a locale's language.

        Raises:
            UnknownLocaleError: There is none.
        """
        language = self._languages.get(locale)
        if language is None:
            known = ", ".join(sorted(self._languages))
            raise UnknownLocaleError(f"locale {locale[:35]!r} is not served; known: {known}")
        return language
