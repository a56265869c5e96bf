"""Pinyin syllables to the phones of the English and of CMU's Mandarin acoustic model; tones are not told apart."""

from __future__ import annotations

import re
from itertools import product
from typing import Final

from earshot_asr.vocabulary.dictionary import Phones

_SYLLABLE: Final = re.compile(r"^(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?([a-zü]*)$")
# Several readings where English has no such sound and the model takes it now for one and now for another. They were
# chosen among phonetically plausible ones by what recognises most commands.
_INITIALS: Final[dict[str, tuple[str, ...]]] = {
    "b": ("B",), "p": ("P",), "m": ("M",), "f": ("F",), "d": ("D",), "t": ("T",), "n": ("N",), "l": ("L",),
    "g": ("G",), "k": ("K",), "h": ("HH", "K"), "j": ("JH",), "q": ("CH",), "x": ("SH", "S"), "zh": ("JH", "SH"),
    "ch": ("CH",), "sh": ("SH",), "r": ("R",), "z": ("D Z",), "c": ("T S",), "s": ("S",), "y": ("Y",), "w": ("W",),
    "": ("",),
}  # fmt: skip
_FINALS: Final[dict[str, tuple[str, ...]]] = {
    "a": ("AA",), "o": ("AO",), "e": ("AH", "ER", "OW"), "ai": ("AY",), "ei": ("EY",), "ao": ("AW",), "ou": ("OW", "AO"),
    "an": ("AA N",), "en": ("AH N", "OW N"), "ang": ("AA NG", "AA N"), "eng": ("AH NG",), "ong": ("UH NG", "AO NG"), "er": ("AA R",),
    "i": ("IY",), "ia": ("Y AA",), "ie": ("Y EH",), "iao": ("Y AW",), "iu": ("Y OW",), "ian": ("Y EH N", "IY AE N"),
    "in": ("IY N", "IH N"), "iang": ("Y AA NG",), "ing": ("IH NG", "IY NG"), "iong": ("Y UH NG",), "u": ("UW",),
    "ua": ("W AA",), "uo": ("W AO",), "uai": ("W AY",), "ui": ("W EY",), "uan": ("W AA N",), "un": ("W AH N",),
    "uang": ("W AA NG",), "v": ("UW", "Y UW"), "ve": ("Y UW EH", "Y EH"), "van": ("Y EH N",), "vn": ("Y UW N", "Y IH N"),
}  # fmt: skip
_BUZZING: Final[dict[str, tuple[str, ...]]] = {
    "zh": ("JH ER", "JH IH"), "ch": ("CH ER", "CH IH"), "sh": ("SH ER", "SH IH"), "r": ("R ER", "R IH"),
    "z": ("D Z AH",), "c": ("T S AH",), "s": ("S AH",),
}  # fmt: skip
MOST_WAYS: Final = 8


def _split(syllable: str) -> tuple[str, str]:
    found = _SYLLABLE.match(syllable.replace("ü", "v"))
    if found is None:
        return "", ""
    initial, final = found[1] or "", found[2]
    if initial in {"j", "q", "x", "y"} and final.startswith("u"):
        final = "v" + final[1:]
    return initial, final


def to_arpabet(syllable: str) -> tuple[Phones, ...]:
    """Return the ways in which the English model may hear a syllable, the likelier first; none for no syllable.

    Example:
        "shi" gives SH ER and SH IH.
    """
    initial, final = _split(syllable)
    if final == "i" and initial in _BUZZING:
        return tuple(tuple(way.split()) for way in _BUZZING[initial])
    if final not in _FINALS:
        return ()
    ways = (f"{begin} {end}".split() for begin, end in product(_INITIALS[initial], _FINALS[final]))
    return tuple(dict.fromkeys(tuple(_without_glide(way)) for way in ways))


def _without_glide(phones: list[str]) -> list[str]:
    """Drop the glide that pinyin writes before its own vowel: "yi" is IY, "wu" is UW, "yue" has one Y."""
    if phones[:1] == ["Y"] and phones[1] in {"Y", "IY", "IH"}:
        return phones[1:]
    if phones[:1] == ["W"] and phones[1] in {"W", "UW"}:
        return phones[1:]
    return phones


def word_to_arpabet(syllables: list[str]) -> tuple[Phones, ...]:
    """Return the ways to hear a word of several syllables, at most `MOST_WAYS`; none if a syllable is unknown."""
    ways = [to_arpabet(syllable) for syllable in syllables]
    if not ways or not all(ways):
        return ()
    # The likeliest of all, then each other reading of one syllable alone, then the last of all.
    usual = [way[0] for way in ways]
    choices = [usual, *([*usual[:i], other, *usual[i + 1 :]] for i, way in enumerate(ways) for other in way[1:])]
    choices.insert(MOST_WAYS - 1, [way[-1] for way in ways])
    joined = dict.fromkeys(tuple(phone for part in choice for phone in part) for choice in choices)
    return tuple(joined)[:MOST_WAYS]


_OWN_INITIAL: Final = {"a": "as", "o": "os", "e": "es"}
_ROUNDED: Final = {"v": "ux", "ve": "uxe", "van": "uxan", "vn": "uxn"}


def to_cmu_mandarin(syllable: str) -> Phones:
    """Return a syllable in the notation of CMU's Mandarin model, for characters that its dictionary lacks.

    Example:
        "shi" gives sh ib, "yuan" uxs an, "an" as an.
    """
    initial, final = _split(syllable)
    if not final:
        return ()
    if initial == "" and final[0] in _OWN_INITIAL:
        return (_OWN_INITIAL[final[0]], final)
    if initial == "y" and final.startswith("v"):
        after = {"v": "ux", "ve": "uxe", "van": "an", "vn": "en"}
        return ("uxs", after[final]) if final in after else ()
    if final == "i" and initial in {"zh", "ch", "sh", "r"}:
        return (initial, "ib")
    if final == "i" and initial in {"z", "c", "s"}:
        return (initial, "if")
    return (initial, _ROUNDED.get(final, final))
