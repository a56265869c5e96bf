"""A language model and a dictionary with a household's own words in their places, for one utterance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice, product
from pathlib import Path
from typing import Final

from earshot_asr.engines.base import Phrases
from earshot_asr.engines.pocketsphinx.orders import LoadOrder
from earshot_asr.vocabulary.dictionary import Phones, to_text
from earshot_asr.vocabulary.languages import Kind, Language, open_language
from earshot_asr.vocabulary.places import is_place, own_word, place

MOST: Final = 64
"""Phrases of one list that are taken."""
_WAYS: Final = 4
_MOST_NGRAMS: Final = 4096
"""Two places side by side make a pair of every two phrases: where there would be more than this, there are none."""
_SECTION: Final = re.compile(r"\\(\d)-grams:")
_COUNT: Final = re.compile(r"ngram (\d)=\d+")


def add_words(order: LoadOrder, phrases: Phrases, folder: Path) -> tuple[LoadOrder, tuple[str, ...]] | None:
    """Write the files of a decoder that hears a household's own words, too.

    Args:
        order: The decoder for everybody.
        phrases: What is added; what can not be said is left out, and so is a list that no sentence has.
        folder: Where to write.

    Returns:
        The order for the decoder, and the words that were added; None where nothing is to be added.

    Raises:
        OSError: A file can not be read or written.
    """
    if not order.words:
        return None
    with _language(order) as language:
        said = {
            _place: {own_word(name, words): ways for words, ways in _said(listed, language)}
            for name, listed in phrases.items()
            if (_place := place(name))
        }
    text = Path(order.model).read_text(encoding="utf-8")
    said = {_place: words for _place, words in said.items() if words and f" {_place} " in text}
    if not said:
        return None
    model, dictionary = folder / "model", folder / "words.dict"
    model.write_text(expand(text, {_place: tuple(words) for _place, words in said.items()}), encoding="utf-8")
    added = to_text({word: ways for words in said.values() for word, ways in words.items()})
    dictionary.write_text(Path(order.dictionary).read_text(encoding="utf-8") + added, encoding="utf-8")
    added_words = tuple(word for words in said.values() for word in words)
    return order.with_files(model=str(model), dictionary=str(dictionary)), added_words


def _language(order: LoadOrder) -> AbstractContextManager[Language]:
    return open_language(Kind(order.kind), order.locale, Path(order.words), {})


def _said(listed: Sequence[str], language: Language) -> list[tuple[tuple[str, ...], tuple[Phones, ...]]]:
    """Return the words of each phrase that can be said, and the ways to say them all in one."""
    found: dict[tuple[str, ...], tuple[Phones, ...]] = {}
    for phrase in listed[:MOST]:
        words = tuple(language.tokenise(phrase))
        ways = [language.pronounce(word) for word in words]
        if words and all(ways):
            whole = islice(product(*ways), _WAYS)
            found[words] = tuple(tuple(phone for way in one for phone in way) for one in whole)
    return list(found.items())


def expand(model: str, words: Mapping[str, Sequence[str]]) -> str:
    """Return a language model in ARPA's format in which each n-gram with a place is one for each word in it.

    Args:
        model: Likewise.
        words: By place, what stands there.
    """
    counts: dict[str, int] = {}
    section = ""
    body: list[str] = []
    for line in model.splitlines():
        if found := _SECTION.fullmatch(line):
            section = found[1]
        elif section and line and not line.startswith("\\"):
            lines = _expanded(line, words) if "[" in line else [line]
            counts[section] = counts.get(section, 0) + len(lines)
            body += lines
            continue
        body.append(line)
    counted = (_COUNT.fullmatch(line) for line in body)
    return "\n".join(
        f"ngram {found[1]}={counts.get(found[1], 0)}" if found else line
        for line, found in zip(body, counted, strict=True)
    )


def _expanded(line: str, words: Mapping[str, Sequence[str]]) -> list[str]:
    logarithm, *rest = line.split(" ")
    choices = [words.get(word, (word,)) for word in rest]
    ways = math.prod(map(len, choices))
    if ways > _MOST_NGRAMS or any(is_place(word) and word not in words for word in rest):
        return [line]
    # Words share what their place is worth after what comes before; what follows them they have in common.
    last = next((word for word in reversed(rest) if not _is_number(word)), "")
    share = float(logarithm) - math.log10(len(words.get(last, ("",))))
    return [f"{share:.4f} {' '.join(chosen)}" for chosen in product(*choices)]


def _is_number(word: str) -> bool:
    return re.fullmatch(r"-?\d+\.\d+", word) is not None
