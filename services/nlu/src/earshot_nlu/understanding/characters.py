"""Normalisation that every language shares, character by character.

Full-width forms become half-width, letters lower case, typographic apostrophes plain; emoji and other symbols become
spaces. Digits keep the separators that mean something ("3.5", "15:30"); "1,000" becomes "1000".
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from earshot_nlu.understanding.tracked import Tracked, TrackedBuilder

_APOSTROPHES = frozenset("'’‘ʼ＇`´")
_SPOKEN = {"%": "%", "&": " & ", "+": " + ", "$": " $", "€": " €", "£": " £", "¥": " ¥"}
# What means something between some neighbours and nothing between others.
_BOUND = frozenset("'.,:-°")


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    """Return what stands for one character: a space for what is not said."""
    if character in _APOSTROPHES:
        return "'"
    if character == "℃":
        return "°c"
    # Decomposed, so that accents fall off: nobody's keyboard or recogniser is sure to write them.
    plain = unicodedata.normalize("NFKD", character).lower()
    kept: list[str] = []
    for part in plain:
        category = unicodedata.category(part)
        if category[0] in "LN" or category == "Mc":
            kept.append(part)
        elif category in {"Mn", "Me", "Cf"}:
            continue
        elif part in _BOUND:
            # A mark that was written as a part of something else ("…", "㏂") has no neighbours to give it a meaning.
            kept.append(part if len(plain) == 1 else "")
        else:
            kept.append(_SPOKEN.get(part, " "))
    return "".join(kept)


def normalised(text: str) -> Tracked:
    """Return the text in plain characters; words apart by single or several spaces.

    Accents are composed first, so that "é" is one character however it was typed.
    """
    composed = _composed(text)
    source = composed.text
    builder = TrackedBuilder()
    last = len(source) - 1
    for position, character in enumerate(source):
        plain = character if character in _LETTERS else _plain(character)
        if plain in _BOUND:
            before = source[position - 1] if position else " "
            after = source[position + 1] if position < last else " "
            initial = position < 2 or not source[position - 2].isalnum()
            plain = _bound(plain, before, after, initial=initial)
        builder.add(plain, composed.starts[position], composed.ends[position])
    return builder.build()


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz ")


def _bound(mark: str, before: str, after: str, *, initial: bool) -> str:
    """Return a mark if its neighbours give it a meaning; `initial`: one character stands before it."""
    if mark == "'":
        return "'" if before.isalpha() and after.isalpha() else ""
    digits = before.isdigit() and after.isdigit()
    if mark == ",":
        return "" if digits else " "
    if mark == "-":
        # A minus sign at the start of a word; elsewhere ("covid-19", "20-26") it only joins. Han characters end a word.
        return "-" if after.isdigit() and (before.isspace() or before >= "\u2e80") else " "
    if mark == ".":
        # "a.m." loses its dots without being torn apart; a full stop is a space.
        return "." if digits else "" if initial and before.isalpha() else " "
    if mark == "°":
        return "°"
    return ":" if digits else " "


def _composed(text: str) -> Tracked:
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    if len(composed) == len(text):
        return Tracked.whole(composed)
    builder = TrackedBuilder()
    start = 0
    for position in range(1, len(text) + 1):
        if position < len(text) and unicodedata.combining(text[position]):
            continue
        builder.add(unicodedata.normalize("NFC", text[start:position]), start, position)
        start = position
    return builder.build()
