"""IPA, as espeak-ng writes English, to ARPAbet as the bundled acoustic model knows it."""

from __future__ import annotations

from typing import Final

from earshot_asr.vocabulary.dictionary import Phones

_PHONES: Final[dict[str, str]] = {
    # Vowels and diphthongs.
    "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "ɔɪ": "OY", "ɔː": "AO", "ɔ": "AO", "ɑː": "AA", "ɑ": "AA",
    "ɒ": "AA", "aː": "AA", "a": "AE", "æ": "AE", "ɛ": "EH", "e": "EH", "eː": "EY", "ɛː": "EH", "iː": "IY", "i": "IY",
    "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "uː": "UW", "u": "UW", "ʊ": "UH", "oː": "OW", "o": "OW", "ʌ": "AH", "ə": "AH",
    "ɐ": "AH", "ɜː": "ER", "ɜ": "ER", "ɝ": "ER", "ɚ": "ER", "aɪə": "AY AH", "aɪɚ": "AY ER", "aʊɚ": "AW ER",
    "ɪɹ": "IH R", "ɛɹ": "EH R", "ʊɹ": "UH R", "ɪə": "IH R", "eə": "EH R", "ʊə": "UH R", "y": "Y UW", "ø": "ER", "œ": "ER",
    # Consonants.
    "tʃ": "CH", "dʒ": "JH", "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "g": "G", "ɡ": "G", "f": "F", "v": "V",
    "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH", "m": "M", "n": "N", "ŋ": "NG", "l": "L",
    "ɫ": "L", "r": "R", "ɹ": "R", "w": "W", "ʍ": "W", "j": "Y", "ɾ": "T", "x": "K", "ç": "SH", "ʔ": "", "ɲ": "N Y",
    "ɬ": "L", "n̩": "AH N", "l̩": "AH L", "m̩": "AH M", "ts": "T S", "c": "K", "q": "K", "β": "B", "ɣ": "G", "ʁ": "R",
}  # fmt: skip
_LONGEST: Final = max(map(len, _PHONES))


def to_arpabet(ipa: str) -> Phones:
    """Return the phones of a word; stress, length without its vowel, ties and unknown marks are passed over.

    Example:
        "təʊkˈiːəʊ" gives T OW K IY OW.
    """
    text = "".join(character for character in ipa if character not in "ˈˌ'ˑ.͡-_ ")
    phones: list[str] = []
    position = 0
    while position < len(text):
        for length in range(min(_LONGEST, len(text) - position), 0, -1):
            known = _PHONES.get(text[position : position + length])
            if known is not None:
                phones.extend(known.split())
                position += length
                break
        else:
            position += 1
    return tuple(phones)
