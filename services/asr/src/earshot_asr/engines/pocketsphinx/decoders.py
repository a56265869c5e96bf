"""The decoders of one bundle in one worker process."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from earshot_asr.engines.base import NO_PHRASES, Phrases
from earshot_asr.engines.pocketsphinx.decoding import decode_whole, make_decoder, read_knowledge
from earshot_asr.engines.pocketsphinx.household import add_words
from earshot_asr.engines.pocketsphinx.orders import LoadOrder, Reading
from earshot_asr.engines.pocketsphinx.sentences import make_grammar_decoder

KEPT_IDLE: Final = 2
"""Streaming decoders that wait for the next utterance whose talker watches; each is some 5 MB, more while it is in use."""
KEPT_HOUSEHOLDS: Final = 4
"""Decoders with a household's own words; people who talk to it go on talking to it."""


class _Whole:
    """Decoders for whole utterances; the one of whole sentences only is made when it is needed, or when there is time."""

    def __init__(self, order: LoadOrder, own_words: tuple[str, ...] = ()) -> None:
        self.order = order
        self.decoder = make_decoder(order)
        self._strict: Any = make_grammar_decoder(order, own_words) if own_words and order.sentences_grammar else None

    @property
    def is_complete(self) -> bool:
        return self._strict is not None or not self.order.sentences_grammar

    def strict(self) -> Any:
        if not self.is_complete:
            try:
                self._strict = make_grammar_decoder(self.order)
            except (OSError, RuntimeError):
                # Its file has been removed since: what there is goes on hearing.
                self.order = replace(self.order, sentences_grammar="")
        return self._strict


class Decoders:
    """One decoder for whole utterances, which are decoded one after the other, and a streaming one for each that is watched."""

    def __init__(self, order: LoadOrder) -> None:
        """Make the one for whole utterances. A streaming one takes some hundredths of a second when it is asked for.

        Raises:
            RuntimeError: The bundle's files are not as they should be.
        """
        self.order = order
        # Nobody waits for a second pass over what only gives interim results.
        self._streaming = replace(order, search={**order.search, "fwdflat": False})
        self._whole = _Whole(order)
        self.knowledge = read_knowledge(order)
        self._idle: list[Any] = []
        self._households: OrderedDict[str, _Whole] = OrderedDict()

    def complete(self) -> bool:
        """Make what is needed for some utterances only, and takes some tenths of a second; False: it was there."""
        if self._whole.is_complete:
            return False
        self._whole.strict()
        return True

    def take(self) -> Any:
        """Return a streaming decoder."""
        return self._idle.pop() if self._idle else make_decoder(self._streaming)

    def give_back(self, decoder: Any) -> None:
        """Return a decoder whose utterance is ended."""
        if len(self._idle) < KEPT_IDLE:
            self._idle.append(decoder)

    def decode_whole(self, pcm: bytes, phrases: Phrases = NO_PHRASES) -> tuple[Reading, ...]:
        """Return the readings of an utterance, best first.

        Args:
            pcm: The utterance.
            phrases: What the household of the talker says besides; see `household`.
        """
        search = self._of(phrases) if phrases else self._whole
        return decode_whole(search.decoder, pcm, search.order, self.knowledge, search.strict)

    def prepare(self, phrases: Phrases) -> None:
        """Make what hears a household's own words, if it is not there."""
        self._of(phrases)

    def _of(self, phrases: Phrases) -> _Whole:
        key = json.dumps({name: list(listed) for name, listed in phrases.items()}, sort_keys=True)
        if key not in self._households:
            with TemporaryDirectory(prefix="earshot-household-") as folder:
                added = add_words(self.order, phrases, Path(folder))
                self._households[key] = self._whole if added is None else _Whole(*added)
            if len(self._households) > KEPT_HOUSEHOLDS:
                self._households.popitem(last=False)
        self._households.move_to_end(key)
        return self._households[key]
