"""What is done to any text before a locale's own rules: one form for each character, and nothing that has no sound."""

from __future__ import annotations

import unicodedata

import regex

from earshot_tts.text.arithmetic import mark

# Full-width letters, digits and signs have an ASCII twin with the same reading. Full-width punctuation stays: it is
# how Chinese sentences are told apart.
_ASCII_TWINS = {
    code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
} | {ord(wide): narrow for wide, narrow in zip("％＄＋－／＝＠＆＃＜＞．", "%$+-/=@&#<>.", strict=True)}
_SPACES = {ord(c): " " for c in "\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u3000\t\v\f"}
_DASHES = {ord(c): "-" for c in "\u2010\u2011\u2012"}
_QUOTES = {ord("\u2018"): "'", ord("\u2019"): "'", ord("\u02bc"): "'"}
_LINES = {ord("\r"): "\n", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}
# One character for what is several: signs of units, and the numbers of a list in circles.
_SQUEEZED = {ord(sign): unicodedata.normalize("NFKC", sign) for sign in "℃℉㎞㎝㎜㎏㎎"} | {
    ord("µ"): "μ",
    ord("㎡"): "m²", ord("㎥"): "m³", ord("′"): "'", ord("″"): '"',
} | {0x245F + number: f"{number} " for number in range(1, 21)}  # fmt: skip
_TRANSLATION = _ASCII_TWINS | _SPACES | _DASHES | _QUOTES | _LINES | _SQUEEZED

# Digits, "#" and "*" are emoji too, of a kind; they are left to the locale's rules.
_EMOJI = regex.compile(
    r"(?:[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}--[\u00a9\u00ae\u2122]]|[\u20e3\ufe0e\ufe0f\u200d])+",
    regex.V1,
)
_CONTROL = regex.compile(r"[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}--[\n]]+", regex.V1)
# Marks of emphasis and headings that a language model may leave in its answer.
_MARKS = regex.compile(r"[*`]+|^#+(?=\s)|^>+\s|~~|__+", regex.MULTILINE)
_BULLETS = regex.compile(r"^\s*(?:[-•·▪◦]|\*)\s+", regex.MULTILINE)
# Digits of every script are the same numbers. Those of scripts younger than the interpreter's Unicode have none that it knows.
_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)
_BLANKS = regex.compile(r" {2,}")
_SPEAKABLE = regex.compile(r"[\p{L}\p{N}]")


def clean(text: str) -> str:
    """Return text without emoji, control characters and markup; lines stay lines."""
    text = unicodedata.normalize("NFC", text).translate(_TRANSLATION)
    if not text.isascii():
        text = _DIGIT.sub(lambda match: str(unicodedata.decimal(match[0], " ")), text)
    # An emoji between two words parts them.
    plain = text if text.isascii() and text.isprintable() else _CONTROL.sub("", _EMOJI.sub(" ", text))
    tidy: str = _BLANKS.sub(" ", _MARKS.sub("", mark(_BULLETS.sub("", plain))))
    return tidy.strip()


def speakable(text: str) -> bool:
    """Return whether there is a letter or a digit in it: anything that has a sound."""
    return _SPEAKABLE.search(text) is not None
