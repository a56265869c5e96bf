"""The search for a whole sentence: a closed grammar of all sentences, for what the language model made nonsense of.

A language model of trigrams finds "can i get a latte Adelaide sugar" as good as what was said. The grammar finds sentences
only, and takes longer, so it is asked where the likeliest words are none. How much worse its sentence fits the sound
than those words tells whether it was said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from earshot_asr.engines.pocketsphinx.orders import LoadOrder
from earshot_asr.vocabulary.places import is_place, stands_for

_SEARCH: Final = {
    "lm": None,
    # The best path through a grammar's lattice leaves stretches of sound out; the search's own has them all.
    "bestpath": False,
    # With the library's own, 7e-29, whoever says "I want" indistinctly is lost at the first word.
    "wbeam": 1e-48,
}


def make_grammar_decoder(order: LoadOrder, own_words: Sequence[str] = ()) -> Any:
    """Make a decoder that finds nothing but whole sentences.

    Args:
        order: With the dictionary that has all words.
        own_words: A household's own, for their places.

    Raises:
        RuntimeError: The files are not as they should be.
        OSError: One is not there.
    """
    from pocketsphinx import Decoder  # noqa: PLC0415 - not for the service's own process

    by_place: dict[str, list[str]] = {}
    for word in own_words:
        by_place.setdefault(stands_for(word), []).append(word)
    settings: dict[str, Any] = {
        "dict": order.dictionary,
        "loglevel": "FATAL",
        "cmn": "batch",
        **_SEARCH,
        **order.sentences_search,
    }
    if order.acoustic:
        settings["hmm"] = order.acoustic
    with NamedTemporaryFile("w", prefix="earshot-grammar-", suffix=".fsg", encoding="utf-8") as file:
        file.write(fill(Path(order.sentences_grammar).read_text(encoding="utf-8"), by_place))
        file.flush()
        return Decoder(fsg=file.name, **settings)


def fill(grammar: str, words: Mapping[str, Sequence[str]]) -> str:
    """Return a grammar in CMU's format with words in its places; places without words can not be passed.

    Args:
        grammar: Likewise.
        words: By place.
    """
    lines: list[str] = []
    for line in grammar.splitlines():
        before, _, last = line.rpartition(" ")
        if is_place(last):
            start, _, probability = before.rpartition(" ")
            own = words.get(last, ())
            lines += [f"{start} {float(probability) / len(own):.6f} {word}" for word in own]
        else:
            lines.append(line)
    return "\n".join([*lines, ""])
