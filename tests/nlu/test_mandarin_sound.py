"""How Mandarin characters sound."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from earshot_nlu.understanding.mandarin.sound import folded, syllable

_READ = (
    "from earshot_nlu import __main__; from earshot_nlu.understanding.mandarin.sound import syllable; "
    "from pypinyin.constants import PHRASES_DICT; print(len(PHRASES_DICT), *map(syllable, map(chr, range(0x4e00, 0xa000, 7))))"
)


@pytest.mark.parametrize(
    ("character", "reading"),
    [
        ("暖", "nuan"),
        ("女", "nv"),
        ("绿", "lv"),
        ("行", "xing"),
        ("〇", "ling"),
        ("a", "a"),
        ("abc", "abc"),
        ("℃", "℃"),
    ],
)
def test_a_character_has_its_most_frequent_reading(character: str, reading: str) -> None:
    """Pinyin without tones, ü as v; what is no Han character is its own reading."""
    assert syllable(character) == reading


def test_the_service_reads_characters_alike_without_phrases() -> None:
    """The tables of phrases, which the service's process goes without, change no reading of a single character."""
    environment = {name: value for name, value in os.environ.items() if name != "PYPINYIN_NO_PHRASES"}
    phrases, *readings = subprocess.check_output([sys.executable, "-c", _READ], env=environment, text=True).split()
    assert phrases == "0"
    assert readings == [syllable(chr(code)) for code in range(0x4E00, 0xA000, 7)]


def test_what_is_hardly_told_apart_sounds_the_same() -> None:
    """At the beginning zh and z, n and l; at the end ng and n."""
    assert folded("zhang") == folded("zan")
    assert folded("nian") == folded("lian")
