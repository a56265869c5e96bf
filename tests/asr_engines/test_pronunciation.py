from __future__ import annotations

from pathlib import Path

import pocketsphinx
import pytest

from earshot_asr.vocabulary.dictionary import Dictionary, to_text
from earshot_asr.vocabulary.pronunciation.english import EnglishPronouncer
from earshot_asr.vocabulary.pronunciation.ipa import to_arpabet as from_ipa
from earshot_asr.vocabulary.pronunciation.letters import by_rules, spelt_out
from earshot_asr.vocabulary.pronunciation.mandarin import OnEnglishModel, OnMandarinModel, syllables
from earshot_asr.vocabulary.pronunciation.pinyin import MOST_WAYS, to_arpabet, to_cmu_mandarin, word_to_arpabet
from earshot_asr.vocabulary.segmentation import LongestMatch
from earshot_asr.vocabulary.tokens import English, Mandarin, join

CMUDICT = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
PHONES = {phone for line in CMUDICT.read_text(encoding="utf-8").splitlines()[::50] for phone in line.split()[1:]}


@pytest.fixture(scope="module")
def cmudict() -> Dictionary:
    """The dictionary that pocketsphinx brings along."""
    return Dictionary(CMUDICT)


def test_dictionary_finds_what_a_scan_finds(cmudict: Dictionary) -> None:
    """Bisection finds the first, the last and words in between, with all their variants, in the file's order."""
    lines = [line.split() for line in CMUDICT.read_text(encoding="utf-8").splitlines()]
    for word, *phones in [*lines[::4001], lines[0], lines[-1]]:
        assert tuple(phones) in cmudict.lookup(word.split("(")[0])
    assert cmudict.lookup("tomato") == (("T", "AH", "M", "EY", "T", "OW"), ("T", "AH", "M", "AA", "T", "OW"))


@pytest.mark.parametrize("word", ["", "zzzzzz", "qqqqq", "tomato(2)", "你好", "~"])
def test_dictionary_knows_what_it_lacks(cmudict: Dictionary, word: str) -> None:
    """A word that is not there has no pronunciation."""
    assert cmudict.lookup(word) == ()
    assert word not in cmudict


def test_dictionary_text_is_sorted_and_numbers_variants(tmp_path: Path) -> None:
    """What is written can be read back."""
    path = tmp_path / "words.dict"
    path.write_text(to_text({"b": (("B",),), "a": (("AH",), ("EY",)), "c": ()}), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "a AH\na(2) EY\nb B\n"
    with Dictionary(path) as dictionary:
        assert dictionary.lookup("a") == (("AH",), ("EY",))


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("blick", "B L IH K"),
        ("strane", "S T R EY N"),
        ("phleem", "F L IY M"),
        ("shation", "SH EY SH AH N"),
        ("knorb", "N AO R B"),
        ("quist", "K W IH S T"),
        ("zoosh", "Z UW SH"),
    ],
)
def test_rules_say_words_that_nobody_has_heard(word: str, phones: str) -> None:
    """Spelling alone tells how a made-up word is said."""
    assert " ".join(by_rules(word)) == phones


def test_rules_agree_mostly_with_the_dictionary() -> None:
    """On known words fewer than one phone in four is wrong, and every phone is one that the model has."""
    errors = total = 0
    for line in CMUDICT.read_text(encoding="utf-8").splitlines()[::97]:
        word, *phones = line.split()
        if word.isalpha():
            guessed = by_rules(word)
            assert set(guessed) <= PHONES
            errors += _edits(guessed, tuple(phones))
            total += len(phones)
    assert errors / total < 0.25


def _edits(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    row = list(range(len(right) + 1))
    for i, first in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, second in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (first != second))
    return row[-1]


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("jazz", "JH AE Z"),
        ("playlist's", "P L EY L IH S T S"),
        ("lo-fi", "L OW F AY"),
        ("xkcd", "EH K S K EY S IY D IY"),
        ("jazzlamp", "JH AE Z L AE M P"),
    ],
)
def test_every_english_word_can_be_said(cmudict: Dictionary, word: str, phones: str) -> None:
    """By the dictionary, by a stem and its ending, by parts, letter by letter, or by rules."""
    assert phones in {" ".join(way) for way in EnglishPronouncer(cmudict)(word)}


def test_whoever_was_asked_is_believed_before_the_rules(cmudict: Dictionary) -> None:
    """A told pronunciation is used for an unknown word, and not for a known one."""
    pronouncer = EnglishPronouncer(cmudict, {"vzlutnik": (("V", "AH"),), "jazz": (("X",),)})
    assert pronouncer.unknown(["jazz", "vzlutnik"]) == ["vzlutnik"]
    assert pronouncer("vzlutnik") == (("V", "AH"),)
    assert pronouncer("jazz") == (("JH", "AE", "Z"),)
    assert pronouncer("东京") == ()


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("dʒˈæz", "JH AE Z"),
        ("tˈoʊkɪˌoʊ", "T OW K IH OW"),
        ("wˈɛðɚ", "W EH DH ER"),
        ("tʃˈɜːtʃ", "CH ER CH"),
        ("lˈaɪt", "L AY T"),
        ("ɹˈɛɡeɪ", "R EH G EY"),
    ],
)
def test_ipa_becomes_arpabet(ipa: str, phones: str) -> None:
    """espeak-ng's phonemes are mapped to those of the acoustic model."""
    assert " ".join(from_ipa(ipa)) == phones


def test_syllables_are_heard_as_english_phones() -> None:
    """Every pinyin syllable of common characters has a way in which the English model hears it."""
    text = "现在几点了东京天气怎么样明天会下雨吗播放一首爵士乐暂停继续女绿雪元云二五四吃日知自思儿爱欧恩"
    for syllable in syllables(text):
        ways = to_arpabet(syllable)
        assert ways, syllable
        assert all(set(way) <= PHONES for way in ways)
    assert ("JH", "IY") in to_arpabet("ji")
    assert to_arpabet("zhong")[0] == ("JH", "UH", "NG")
    assert ("SH", "AO", "NG") in to_arpabet("zhong")
    assert to_arpabet("xyz") == ()


def test_long_words_have_few_ways() -> None:
    """The readings of a word's syllables do not multiply."""
    ways = word_to_arpabet(["xing", "qi", "si", "shi", "zen", "me", "yang"])
    assert 1 < len(ways) <= MOST_WAYS
    assert word_to_arpabet(["ni", "xyz"]) == ()


@pytest.mark.parametrize(
    ("syllable", "phones"),
    [("shi", "sh ib"), ("zi", "z if"), ("an", "as an"), ("yue", "uxs uxe"), ("xue", "x uxe"), ("wen", "w en")],
)
def test_syllables_in_the_mandarin_models_notation(syllable: str, phones: str) -> None:
    """Characters that the model's dictionary lacks are said by their pinyin."""
    assert " ".join(to_cmu_mandarin(syllable)) == phones


def test_mandarin_words_on_both_models(tmp_path: Path) -> None:
    """The Mandarin model asks its dictionary first; the English model hears English words as English."""
    path = tmp_path / "zh.dic"
    path.write_text("东京\td ong j ing\n", encoding="utf-8")
    with Dictionary(path) as dictionary:
        assert OnMandarinModel(dictionary)("东京") == (("d", "ong", "j", "ing"),)
        assert OnMandarinModel(dictionary)("是") == (("sh", "ib"),)
        assert OnMandarinModel(dictionary)("jazz") == ()
    on_english = OnEnglishModel(lambda word: (tuple(word.upper()),))
    assert on_english("jazz") == (("J", "A", "Z", "Z"),)
    assert on_english("几") == (("JH", "IY"),)
    assert spelt_out("tv") == ("T", "IY", "V", "IY")


def test_segmentation_takes_the_longest_word() -> None:
    """From left to right, and characters that no word has stand alone."""
    words = {"现在", "几点", "几点了", "天气"}
    assert LongestMatch(words.__contains__)("现在几点了天气囧") == ("现在", "几点了", "天气", "囧")


def test_text_becomes_spoken_words() -> None:
    """Numbers, symbols, abbreviations and both scripts become what is said."""
    english = English(lambda number: {"7": "seven", "30": "thirty", "2.5": "two point five"}[str(number)])
    spoken = ("seven", "thirty", "a.m.", "rock", "and", "roll", "it's", "two", "point", "five", "degrees")
    assert tuple(english("7:30 a.m., rock & roll, it’s 2.5°")) == spoken
    mandarin = Mandarin(lambda number: {"50": "五十"}[str(number)], lambda text: (text,))
    assert tuple(mandarin("放点Jazz，音量50%")) == ("放点", "jazz", "音量", "百分之五十")


def test_results_are_written_without_spaces_between_characters() -> None:
    """Mandarin stands without spaces, English with them, names with their capitals."""
    assert join(["放点", "jazz", "rock", "音乐"]) == "放点jazz rock音乐"
    assert join(["time", "in", "tokyo"], {"tokyo": "Tokyo"}) == "time in Tokyo"
    assert join([]) == ""
