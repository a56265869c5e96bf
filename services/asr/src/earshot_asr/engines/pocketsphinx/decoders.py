"""The decoders of one bundle in one worker process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from earshot_asr.engines.pocketsphinx.decoding import decode_whole, make_decoder, read_knowledge
from earshot_asr.engines.pocketsphinx.orders import LoadOrder, Reading

KEPT_IDLE: Final = 2
"""Streaming decoders that wait for the next utterance; each is some 20 MB."""


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

    def take(self) -> Any:
        """Return a decoder for one stream."""
        return self._idle.pop() if self._idle else make_decoder(self._streaming)

    def give_back(self, decoder: Any) -> None:
        """Return a decoder whose utterance is ended."""
        if len(self._idle) < KEPT_IDLE:
            self._idle.append(decoder)

    def decode_whole(self, pcm: bytes) -> tuple[Reading, ...]:
        """Return the readings of an utterance, best first."""
        return decode_whole(self._whole, pcm, self.order, self.knowledge)
