"""What differs between the languages and acoustic models that a vocabulary can be built for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from earshot_asr.vocabulary.dictionary import Dictionary, Phones
from earshot_asr.vocabulary.numbers import spell
from earshot_asr.vocabulary.pronunciation.english import EnglishPronouncer
from earshot_asr.vocabulary.pronunciation.mandarin import OnEnglishModel, OnMandarinModel, phrases
from earshot_asr.vocabulary.segmentation import LongestMatch
from earshot_asr.vocabulary.tokens import English, Mandarin


class Kind(StrEnum):
    """Which acoustic model hears which language."""

    ENGLISH = "english"
    MANDARIN = "mandarin"
    MANDARIN_ON_ENGLISH = "mandarin_on_english"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How sentences become words and words become phones.

    Attributes:
        locale: BCP-47; numbers and wildcards are said as there.
        spaced: Whether words are separated by spaces.
        tokenise: Text to words.
        pronounce: Word to the ways to say it; none: sentences with the word are left out.
        unknown: Which of some words are only guessed at, so that somebody may be asked.
        spellings: How words are written where that is not as `tokenise` returned them; ask after tokenising.
    """

    locale: str
    spaced: bool
    tokenise: Callable[[str], Sequence[str]]
    pronounce: Callable[[str], tuple[Phones, ...]]
    unknown: Callable[[frozenset[str]], list[str]] = field(default=lambda _words: [])
    spellings: Callable[[], dict[str, str]] = field(default=dict)


def open_language(
    kind: Kind,
    locale: str,
    dictionary: Path,
    told: Mapping[str, tuple[Phones, ...]],
) -> AbstractContextManager[Language]:
    """Open what a language needs.

    Args:
        kind: Which.
        locale: BCP-47.
        dictionary: The acoustic model's pronunciation dictionary, sorted, in CMU's format.
        told: Pronunciations of unknown words that somebody was asked for; may be filled after opening.

    Raises:
        OSError: The dictionary is not there.
    """
    return _open(kind, locale, dictionary, told)


@contextmanager
def _open(kind: Kind, locale: str, path: Path, told: Mapping[str, tuple[Phones, ...]]) -> Iterator[Language]:
    def say(number: float) -> str:
        return spell(number, locale)[0]

    with Dictionary(path) as dictionary:
        english = EnglishPronouncer(dictionary, told)
        match kind:
            case Kind.ENGLISH:
                words = English(say)
                yield Language(
                    locale=locale,
                    spaced=True,
                    tokenise=words,
                    pronounce=english,
                    unknown=english.unknown,
                    spellings=words.spellings,
                )
            case Kind.MANDARIN:
                yield Language(
                    locale=locale,
                    spaced=False,
                    tokenise=Mandarin(say, LongestMatch(dictionary.__contains__)),
                    pronounce=OnMandarinModel(dictionary),
                )
            case Kind.MANDARIN_ON_ENGLISH:
                yield Language(
                    locale=locale,
                    spaced=False,
                    tokenise=Mandarin(say, phrases),
                    pronounce=OnEnglishModel(english),
                )
