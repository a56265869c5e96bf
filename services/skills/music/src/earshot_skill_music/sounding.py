"""What a name sounds like, roughly: so that a slip of recognition or spelling still finds it.

English letters that sound alike become one, silent ones go; Chinese characters become pinyin without tones, and pairs that
many speakers and microphones don't tell apart (zh and z, n and l, ng and n) become one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ARTICLES = re.compile(r"^(the|a|an) ")
_NOT_WORDS = re.compile(r"[^\w]+", re.UNICODE)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"ph", "f"),
        (r"wh", "w"),
        (r"(?<=[aeiou])gh", ""),
        (r"^kn", "n"),
        (r"^wr", "r"),
        (r"ck|q|c(?![eiyh])", "k"),
        (r"c(?=[eiy])|z|x$", "s"),
        (r"sh|ch|j|dg", "j"),
        (r"th", "t"),
        (r"v", "f"),
        (r"[aeiouy]+", "a"),
        (r"h", ""),
        (r"(.)\1+", r"\1"),
    )
)
_PINYIN = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in ((r"^zh", "z"), (r"^ch", "c"), (r"^sh", "s"), (r"^n", "l"), (r"ng$", "n"), (r"^f", "h"))
)


def is_chinese(text: str) -> bool:
    """Whether any Chinese character is in it."""
    return _CHINESE.search(text) is not None


def plain(text: str) -> str:
    """Return a name in lower case without accents, punctuation and a leading article."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _ARTICLES.sub("", _NOT_WORDS.sub(" ", bare).strip())


@lru_cache(maxsize=20_000)
def sound_of(text: str) -> str:
    """Return what a name sounds like; two names that sound alike have equal sounds."""
    words = _pinyin(plain(text)) if is_chinese(text) else plain(text)
    rules = _PINYIN if is_chinese(text) else _ENGLISH
    return " ".join(_sound(word, rules) for word in words.split())


def _pinyin(text: str) -> str:
    from pypinyin import lazy_pinyin  # noqa: PLC0415 - loads 40 MB of tables: a third of a second

    return " ".join(lazy_pinyin(text))


def _sound(word: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, sound in rules:
        word = pattern.sub(sound, word)
    return word
