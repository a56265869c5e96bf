"""Where one sentence ends and the next begins: what is synthesised, cached and sent as one piece.

A full stop is a boundary unless something speaks against it: an abbreviation, an initial, a list's number, a lower-case
word behind it. Ideographic stops always are. A sentence longer than a breath is cut at its last comma, so that text
without stops is spoken piece by piece too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 240
"""Characters of a piece; an ideograph counts as three."""
_IDEOGRAPH_WEIGHT = 3
_FIRST_IDEOGRAPH = "\u2e80"

_CLOSING = "\"'”’»)\\]】」』）》"
# A stop with its closing quotes, or a line's end. An ASCII stop counts before a space, the end or an ideograph.
_CANDIDATE = re.compile(
    rf"(?P<wide>[。！？；…]+[{_CLOSING}]*)\s*"
    rf"|(?P<stop>[.!?]+[{_CLOSING}]*)(?:\s+|$|(?=[\u2e80-\u9fff]))"
    r"|(?P<line>\s*\n\s*)"
)
_LAST_TOKEN = re.compile(r"[^\s(\[\"'“‘（《「]+$")
_NEXT_TOKEN = re.compile(r"[\"'“‘(\[]*([^\s,.!?;:)\]\"']+)")
_CLAUSE = re.compile(r"[,，;；:：、—–]\s*|\s-\s")

# Never the end of a sentence: something always follows.
_LEADING_WORDS = (
    "mr mrs ms mx dr prof st gen col sgt capt lt cmdr rev hon sen rep gov pres vs e.g i.e cf approx est no nos fig vol"
    " p pp pg chap ch rm apt ext sec tel sq fl ed eds mt ft messrs mme jan feb mar apr jun jul aug sep sept oct nov dec mon"
    " tue tues wed thu thur thurs fri sat sun"
)
_LEADING = frozenset(_LEADING_WORDS.split())
# May be the end: then a word that begins sentences follows.
_TRAILING_WORDS = (
    "a.m p.m am pm etc inc ltd co corp jr sr ave blvd rd dept u.s u.k u.s.a u.n e.u d.c ph.d b.c a.d min max"
)
_TRAILING = frozenset(_TRAILING_WORDS.split())
_STARTER_WORDS = (
    "a after all also although an and another any are as ask at because before both but by can could did do does each"
    " even every finally first for from go had has have he her here his how however i if i'd i'll i'm i've in is it"
    " it'll it's its just last later let let's many maybe meanwhile more most my next no nobody not now of on once one"
    " only or other our please say second she should since so some sorry still such thank thanks that that's the their"
    " then there there's therefore these they they're this those though three to today tomorrow tonight two under until"
    " we we'll we're well what what's when where which while who why will with would yes yesterday yet you you'll"
    " you're your"
)
_STARTERS = frozenset(_STARTER_WORDS.split())
_INITIAL = re.compile(r"(?:[A-Z]\.)*[A-Z]")
_LIST_NUMBER = re.compile(r"\(?\d{1,3}")


def split(text: str) -> Iterator[str]:
    """Yield the sentences of cleaned text, in order, none empty, none longer than LONGEST."""
    start = 0
    for match in _CANDIDATE.finditer(text):
        if match["stop"] and not _ends(text, start, match):
            continue
        yield from _pieces(text[start : match.end()].strip())
        start = match.end()
    yield from _pieces(text[start:].strip())


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    stop = match["stop"]
    following = _NEXT_TOKEN.match(text, match.end())
    next_word = following[1] if following else ""
    if not next_word or next_word[0] >= _FIRST_IDEOGRAPH:
        return True
    if next_word[0].islower():
        return False
    if stop[0] != "." or len(stop.rstrip(_CLOSING.replace("\\", ""))) > 1:
        return True
    before = _LAST_TOKEN.search(text, start, match.start())
    word = before[0] if before else ""
    if word.lower() in _LEADING:
        # "No. 5" and "Sat. 3": but "The answer is no. Really."
        return word.lower() in {"no", "sat", "sun", "mar", "est", "fig", "ed", "p", "ext", "apt", "sec"} and not (
            next_word[0].isdigit() or word[0].isupper()
        )
    if word.lower() in _TRAILING or _INITIAL.fullmatch(word):
        return next_word.lower() in _STARTERS
    # "1. Milk": the number of a line, not its content.
    return not (_LIST_NUMBER.fullmatch(word) and before is not None and before.start() == start)


def _weight(character: str) -> int:
    return _IDEOGRAPH_WEIGHT if character >= _FIRST_IDEOGRAPH else 1


def _pieces(sentence: str) -> Iterator[str]:
    while sentence:
        room = LONGEST
        end = 0
        while end < len(sentence) and room > 0:
            room -= _weight(sentence[end])
            end += 1
        if end == len(sentence):
            yield sentence
            return
        cut = _last_cut(sentence, end)
        if piece := sentence[:cut].strip():
            yield piece
        sentence = sentence[cut:].strip()


def _last_cut(sentence: str, end: int) -> int:
    # Not in the first third: a piece of two words costs a pause and gains nothing.
    earliest = end // 3
    clauses = [match.end() for match in _CLAUSE.finditer(sentence, earliest, end)]
    if clauses:
        return clauses[-1]
    space = sentence.rfind(" ", earliest, end)
    return space + 1 if space >= 0 else end
