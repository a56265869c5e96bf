"""The engine: one model for all its locales, hot words for each, and utterances that begin under them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from itertools import chain
from typing import Final

import structlog

from earshot_asr.engines.base import NO_PHRASES, EngineCapabilities, Locale, Phrases, Vocabulary
from earshot_asr.engines.errors import ModelUnusableError, UnsupportedLocaleError
from earshot_asr.engines.sherpa.discovery import SherpaModel
from earshot_asr.engines.sherpa.hotwords import hot_words, own_words, writable
from earshot_asr.engines.sherpa.orders import OWN, HotWordsOrder
from earshot_asr.engines.sherpa.stream import SherpaStream, StreamContext
from earshot_asr.engines.workers.engine import PooledEngine
from earshot_asr.engines.workers.pool import Pool

NAME: Final = "sherpa"
_PLACE: Final = re.compile(r"^\S+\.(cc|h):\S+ ")

_log = structlog.get_logger(__name__)


class SherpaEngine(PooledEngine):
    """See `earshot_asr.engines.base.Engine`."""

    def __init__(
        self, *, model: SherpaModel, pool: Pool, revision: str, locales: Sequence[Locale] = (), hot_words: bool = True
    ) -> None:
        """Make an engine that is not started.

        Args:
            model: Whose processes the pool runs.
            pool: Started and stopped with the engine.
            revision: Of the library.
            locales: What the model hears; none: what its tokens seem to be for.
            hot_words: Whether it is told names that the skills registered, if it can be.
        """
        self._model = model
        super().__init__(pool)
        self._revision = f"{revision}+{model.folder.name}"
        self._locales = frozenset(locales or map(Locale, model.alphabet.locales()))
        self._hot_words = hot_words and model.hot_word_unit is not None
        self._contexts: dict[Locale, StreamContext] = {}

    @property
    def capabilities(self) -> EngineCapabilities:
        """See `Engine.capabilities`."""
        return EngineCapabilities(
            name=NAME,
            revision=self._revision,
            locales=self._locales,
            interim_results=True,
            dynamic_vocabulary=self._hot_words,
            endpoints=True,
        )

    async def start(self) -> None:
        """See `Engine.start`."""
        try:
            await super().start()
        except ModelUnusableError as error:
            # The library begins with a place in its own source.
            reason = _PLACE.sub("", str(error))
            raise ModelUnusableError(f"sherpa-onnx can not use the model in {self._model.folder}: {reason}") from error
        _log.info(
            "model loaded", model=self._model.folder.name, locales=sorted(self._locales), hot_words=self._hot_words
        )

    async def open(self, locale: Locale, phrases: Phrases = NO_PHRASES) -> SherpaStream:
        """See `Engine.open`; a household's own words are hot words of its utterance."""
        if locale not in self._locales:
            raise UnsupportedLocaleError(f"{self._model.folder.name} does not hear {locale}")
        worker = await self._pool.place()
        context = self._contexts.get(locale) or self._context(Vocabulary(revision=0))
        own = own_words(chain.from_iterable(phrases.values()), locale) if self._hot_words else ()
        return SherpaStream(next(self._numbers), worker, context, {OWN: self._writable(own)} if own else NO_PHRASES)

    async def _apply(self) -> None:
        """Put the newest vocabulary in force; what is superseded meanwhile is skipped."""
        while (wanted := self._wanted) is not None:
            made = {locale: await self._make(wanted, locale) for locale in sorted(self._locales)}
            if self._wanted is not wanted:
                continue
            self._wanted = None
            orders = {order.key: order for order, _ in made.values() if order is not None}
            await asyncio.gather(*(self._pool.load(order) for order in orders.values()))
            before = {context.key for context in self._contexts.values()} - {""}
            self._contexts = {locale: context for locale, (_, context) in made.items()}
            for key in before - orders.keys():
                self._pool.unload(key)

    async def _make(self, wanted: Vocabulary, locale: Locale) -> tuple[HotWordsOrder | None, StreamContext]:
        documents = wanted.locales.get(locale, ())
        phrases, spellings = await asyncio.to_thread(hot_words, documents, locale)
        if not self._hot_words:
            return None, self._context(wanted, spellings=spellings)
        fitting = self._writable(phrases)
        order = HotWordsOrder(phrases=fitting) if fitting else None
        _log.info("hot words in force", locale=locale, revision=wanted.revision, words=len(fitting))
        return order, self._context(wanted, key=order.key if order else "", spellings=spellings)

    def _writable(self, phrases: Sequence[str]) -> tuple[str, ...]:
        alphabet = self._model.alphabet
        return writable(phrases, alphabet.characters, pieces=self._model.pieces is not None, upper=alphabet.upper)

    def _context(self, wanted: Vocabulary, *, key: str = "", spellings: dict[str, str] | None = None) -> StreamContext:
        return StreamContext(
            engine=f"{NAME}/{self._revision}",
            key=key,
            registry_revision=wanted.revision,
            spellings=spellings or {},
            lower=self._model.alphabet.upper,
        )
