"""Normalises English: contractions are written out, fillers stand apart, symbols become words.

Templates go through the same function, so "what's" in a template and "what is" in an utterance meet.
"""

from __future__ import annotations

import re

from earshot_nlu.understanding.characters import normalised
from earshot_nlu.understanding.tracked import Tracked

_SPACES = re.compile(r"\s+")
_WRITTEN_OUT = (
    (r"\b(what|where|who|how|when|why|that|there|here|it|he|she)'s\b", r"\1 is"),
    (r"\b(what|where|who|how|when|that|there)s\b", r"\1 is"),
    (r"\blet's\b", "let us"),
    (r"\b(?:can't|cannot|cant)\b", "can not"),
    (r"\b(?:won't|wont)\b", "will not"),
    (r"\b(is|are|was|were|do|does|did|has|have|had|would|could|should|must)n'?t\b", r"\1 not"),
    (r"\b(i)'m\b", r"\1 am"),
    (r"\bim\b", "i am"),
    (r"\b(you|we|they|what|who)'re\b", r"\1 are"),
    (r"\b(i|you|we|they|he|she|it|that|there)'ll\b", r"\1 will"),
    (r"\b(i|you|we|they|who)'ve\b", r"\1 have"),
    (r"\b(i|you|we|they|he|she|it)'d\b", r"\1 would"),
    (r"\bgimme\b", "give me"),
    (r"\bgonna\b", "going to"),
    (r"\bwanna\b", "want to"),
    (r"\b(?:ok|o k)\b", "okay"),
    (r"\bo clock\b|\boclock\b", "o'clock"),
    (r"(?<=\d)\s*%|\s*%", " percent"),
    (r"\s*°\s*c\b", " degrees celsius"),
    (r"\s*°\s*f\b", " degrees fahrenheit"),
    (r"\s*°", " degrees"),
    (r"&", "and"),
    (r"\+", "plus"),
    (r"\b([ap]) m\b", r"\1m"),
    (r"(?<=\d)([ap]m)\b", r" \1"),
)
_RULES = tuple((re.compile(found), written) for found, written in _WRITTEN_OUT)
# One look says whether any rule can apply: most utterances hold none of this.
_ANY = re.compile(
    r"'|%|°|&|\+|\b(?:what|where|who|how|when|that|there)s\b|n't\b|\b(?:is|are|was|were|do|does|did|has|have|had|would"
    r"|could|should|must)nt\b|\b(?:cannot|cant|wont|im|gimme|gonna|wanna|ok|o|oclock)\b|\b[ap] m\b|\d[ap]m\b"
)
_ENDINGS = {"s": " is", "re": " are", "m": " am", "ll": " will", "ve": " have", "d": " would"}
_ENDING = re.compile(r"['’](s|re|m|ll|ve|d)\b")
_BRACKETS = re.compile(
    r"\b((?:what|where|who|how|when|why|that|there|here|it|he|she|i|you|we|they))([\[(][^\])]*[\])])", re.IGNORECASE
)
_LEADING = re.compile(
    r"(?:(?:um+|uh+|er+|erm|hmm+|well|so|okay|hey|hi|hello|please|and|now)\s+"
    r"|(?:can|could|would|will) you (?:please )?(?=\w)|i (?:want|would like) you to |i would like to |do me a favor and )+"
)
_TRAILING = re.compile(
    r"(?:\s+(?:please|thanks|thank you|thank you very much|for me|um+|uh+|okay|will you|would you|could you|right now))+$"
)


def normalise(text: str) -> Tracked:
    """Return words in lower case, apart by single spaces, contractions written out."""
    tracked = normalised(text).sub(_SPACES, " ").strip()
    if _ANY.search(tracked.text):
        for found, written in _RULES:
            tracked = tracked.sub(found, written)
        tracked = tracked.sub(_SPACES, " ").strip()
    return tracked


def written_out_in_brackets(template: str) -> str:
    """Return a template with endings such as "['s|...]" after a word that they contract with written out."""
    return _BRACKETS.sub(lambda match: match[1] + _ENDING.sub(lambda end: _ENDINGS[end[1]], match[2]), template)


def without_fillers(tracked: Tracked) -> Tracked:
    """Return the text without politeness and hesitation at its ends, unless nothing else is left."""
    lead = _LEADING.match(tracked.text)
    start = lead.end() if lead else 0
    trail = _TRAILING.search(tracked.text, start)
    end = trail.start() if trail else len(tracked.text)
    if (start == 0 and end == len(tracked.text)) or start >= end:
        return tracked
    return tracked.slice(start, end).strip()
