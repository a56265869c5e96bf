"""What a household may call its things: the rule for one word or phrase, and what a skill has written of a household.

Whoever writes words and whoever reads them goes by the same rule, because what is said in a household ends here: a
misheard sentence, a name made of signs, something that was meant to reach a prompt or a grammar.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from earshot.household.v1 import household_pb2
from earshot_registry.errors import InvalidWordError
from earshot_topology.subjects import InvalidTokenError, token

# Words that one skill may have of one household; the latest count.
MOST_WORDS = 64
LONGEST = 40
_MOST_PARTS = 4
# Han characters stand for syllables: as long, spoken, as four words.
_MOST_HAN = 10
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LOCALE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_LIST = re.compile(r"\w[\w .-]{0,39}")
_BETWEEN = frozenset(" '’-")


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdWord:
    """A word or phrase of one household.

    Attributes:
        skill_id: The skill that has it.
        list_name: The list of the skill's sentences that it is a value of.
        locale: In which it is said.
        text: As people say it.
    """

    skill_id: str
    list_name: str
    locale: str
    text: str


def tidy(text: str) -> str:
    """Return a word or phrase as it is kept: composed, single spaces.

    Raises:
        InvalidWordError: It is none; code word_empty, word_too_long (40 letters, four words, ten Han characters) or
            word_malformed (anything but letters, figures, apostrophes and hyphens).
    """
    # Before anything is computed of it.
    if len(text) > 4 * LONGEST:
        raise InvalidWordError(f"longer than {LONGEST} letters", code="word_too_long")
    composed = " ".join(unicodedata.normalize("NFKC", text).split())
    if not composed:
        raise InvalidWordError("there is nothing in it", code="word_empty")
    if len(composed) > LONGEST or len(composed.split()) > _MOST_PARTS or len(_HAN.findall(composed)) > _MOST_HAN:
        raise InvalidWordError(f"longer than {LONGEST} letters or {_MOST_PARTS} words", code="word_too_long")
    if not all(_speakable(char) for char in composed) or not any(char.isalpha() for char in composed):
        raise InvalidWordError("it holds something other than words", code="word_malformed")
    return composed


def checked(word: HouseholdWord) -> HouseholdWord:
    """Return a word as it is kept.

    Raises:
        InvalidWordError: As `tidy`; word_malformed also where its list, locale or skill can't be one.
    """
    text = tidy(word.text)
    if not _LIST.fullmatch(word.list_name) or not _LOCALE.fullmatch(word.locale):
        raise InvalidWordError("its list or locale can't be one", code="word_malformed")
    try:
        skill_id = token(word.skill_id)
    except InvalidTokenError as error:
        raise InvalidWordError("its skill can't be one", code="word_malformed") from error
    return HouseholdWord(skill_id=skill_id, list_name=word.list_name, locale=word.locale, text=text)


def written(words: Iterable[HouseholdWord]) -> bytes:
    """Return words of one skill as the bucket holds them."""
    return household_pb2.HouseholdWords(
        words=[
            household_pb2.HouseholdWord(text=word.text, locale=word.locale, list_name=word.list_name) for word in words
        ]
    ).SerializeToString()


def read(payload: bytes, skill_id: str) -> tuple[tuple[HouseholdWord, ...], int]:
    """Return the words that a skill has written, and how many of them were refused; never fails.

    What can't be read at all counts as one.
    """
    try:
        message = household_pb2.HouseholdWords.FromString(payload)
    except DecodeError:
        return (), 1
    kept: dict[HouseholdWord, None] = {}
    refused = 0
    for one in message.words[:MOST_WORDS]:
        word = HouseholdWord(skill_id=skill_id, list_name=one.list_name, locale=one.locale, text=one.text)
        try:
            kept[checked(word)] = None
        except InvalidWordError:
            refused += 1
    return tuple(kept), refused + max(0, len(message.words) - MOST_WORDS)


def _speakable(char: str) -> bool:
    return char in _BETWEEN or unicodedata.category(char)[0] in "LM" or char.isdigit()
