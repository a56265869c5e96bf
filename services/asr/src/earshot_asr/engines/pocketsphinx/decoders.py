"""The decoders of one bundle in one worker process."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from earshot_asr.engines.base import Phrases
from earshot_asr.engines.pocketsphinx.decoding import decode_whole, make_decoder, read_knowledge
from earshot_asr.engines.pocketsphinx.household import add_words
from earshot_asr.engines.pocketsphinx.orders import LoadOrder, Reading

KEPT_IDLE: Final = 2
"""Streaming decoders that wait for the next utterance; each is some 20 MB."""
KEPT_HOUSEHOLDS: Final = 4
"""Decoders with a household's own words; people who talk to it go on talking to it."""


class Decoders:
    """One decoder for whole utterances, which are decoded one after the other, and a streaming one for each stream."""

    def __init__(self, order: LoadOrder) -> None:
        """Make the first of both kinds, so that the first utterance waits for neither.

        Raises:
            RuntimeError: The bundle's files are not as they should be.
        """
        self.order = order
        # Nobody waits for a second pass over what only gives interim results.
        self._streaming = replace(order, search={**order.search, "fwdflat": False})
        self._whole = make_decoder(order)
        self.knowledge = read_knowledge(order)
        self._idle: list[Any] = [make_decoder(self._streaming)]
        self._households: OrderedDict[str, Any] = OrderedDict()

    def take(self) -> Any:
        """Return a decoder for one stream."""
        return self._idle.pop() if self._idle else make_decoder(self._streaming)

    def give_back(self, decoder: Any) -> None:
        """Return a decoder whose utterance is ended."""
        if len(self._idle) < KEPT_IDLE:
            self._idle.append(decoder)

    def decode_whole(self, pcm: bytes, phrases: Phrases | None = None) -> tuple[Reading, ...]:
        """Return the readings of an utterance, best first.

        Args:
            pcm: The utterance.
            phrases: What the household of the talker says besides; see `household`.
        """
        decoder = self.prepare(phrases) if phrases else self._whole
        return decode_whole(decoder, pcm, self.order, self.knowledge)

    def prepare(self, phrases: Phrases) -> Any:
        """Return a decoder that hears a household's own words, too, made if it is not there."""
        key = json.dumps({name: list(listed) for name, listed in phrases.items()}, sort_keys=True)
        if key not in self._households:
            with TemporaryDirectory(prefix="earshot-household-") as folder:
                order = add_words(self.order, phrases, Path(folder))
                self._households[key] = self._whole if order is None else make_decoder(order)
            if len(self._households) > KEPT_HOUSEHOLDS:
                self._households.popitem(last=False)
        self._households.move_to_end(key)
        return self._households[key]
