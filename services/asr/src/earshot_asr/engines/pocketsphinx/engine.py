"""The engine: which bundle is in force for which locale, and utterances that begin under it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import structlog

from earshot_asr.engines.base import NO_PHRASES, EngineCapabilities, Locale, Phrases, Vocabulary
from earshot_asr.engines.errors import UnsupportedLocaleError, VocabularyInvalidError, VocabularyMissingError
from earshot_asr.engines.pocketsphinx.acoustic import AcousticModel
from earshot_asr.engines.pocketsphinx.bundles import BundleStore, StoredBundle
from earshot_asr.engines.pocketsphinx.stream import PocketsphinxStream, StreamContext
from earshot_asr.engines.workers.engine import PooledEngine
from earshot_asr.engines.workers.pool import Pool

NAME = "pocketsphinx"

_log = structlog.get_logger(__name__)

_Made = tuple[Mapping[Locale, StoredBundle], VocabularyInvalidError | None]
"""Bundles by locale, and why a locale that was wanted has none."""


class PocketsphinxEngine(PooledEngine):
    """See `earshot_asr.engines.base.Engine`."""

    def __init__(
        self,
        *,
        models: Sequence[AcousticModel],
        pool: Pool,
        bundles: BundleStore,
        minimum_confidence: float | None = None,
    ) -> None:
        """Make an engine that is not started.

        Args:
            models: One for each locale.
            pool: Processes that decode; started and stopped with the engine.
            bundles: Where decoders' files come from.
            minimum_confidence: Below it an utterance is rejected as not for us, from 0 to 1; None: each model's own.
        """
        self._models = {model.locale: model for model in models}
        super().__init__(pool)
        self._bundles = bundles
        self._minimum_confidence = minimum_confidence
        self._in_force: dict[Locale, StreamContext] = {}

    @property
    def capabilities(self) -> EngineCapabilities:
        """See `Engine.capabilities`."""
        return EngineCapabilities(
            name=NAME,
            revision=version("pocketsphinx"),
            locales=frozenset(self._models),
            interim_results=True,
            dynamic_vocabulary=True,
            experimental=frozenset(locale for locale, model in self._models.items() if model.experimental),
        )

    async def open(self, locale: Locale, phrases: Phrases = NO_PHRASES) -> PocketsphinxStream:
        """See `Engine.open`."""
        if locale not in self._models:
            raise UnsupportedLocaleError(f"no acoustic model for {locale}")
        worker = await self._pool.place()
        context = self._in_force.get(locale)
        if context is None:
            raise VocabularyMissingError(f"no skill has sentences in {locale} yet")
        return PocketsphinxStream(next(self._numbers), worker, context, phrases)

    async def _apply(self) -> None:
        """Put the newest vocabulary in force; what is superseded while it is made is given up."""
        failure: VocabularyInvalidError | None = None
        patient = False
        while (wanted := self._wanted) is not None:
            self._newer.clear()
            made = await self._make_or_give_up(wanted, patient=patient)
            # Skills that come and go faster than a vocabulary is made must not keep all others from being heard.
            patient = not patient and made is None
            if made is not None and self._wanted is wanted:
                self._wanted = None
                bundles, failure = made
                await self._switch(wanted, bundles)
        if failure is not None:
            raise failure

    async def _make_or_give_up(self, wanted: Vocabulary, *, patient: bool) -> _Made | None:
        """Make a vocabulary; None where another was wanted before it was there, unless the call is patient."""
        making = asyncio.create_task(self._make(wanted))
        newer = asyncio.create_task(self._newer.wait())
        try:
            await asyncio.wait({making} if patient else {making, newer}, return_when=asyncio.FIRST_COMPLETED)
            return making.result() if making.done() else None
        finally:
            newer.cancel()
            making.cancel()
            await asyncio.gather(making, newer, return_exceptions=True)

    async def _make(self, wanted: Vocabulary) -> _Made:
        locales = [locale for locale, documents in wanted.locales.items() if documents and locale in self._models]
        results = await asyncio.gather(
            *(self._bundles.get(self._models[locale], wanted.locales[locale]) for locale in locales),
            return_exceptions=True,
        )
        made: dict[Locale, StoredBundle] = {}
        failure: VocabularyInvalidError | None = None
        for locale, result in zip(locales, results, strict=True):
            if isinstance(result, VocabularyInvalidError):
                failure = result
            elif isinstance(result, BaseException):
                raise result
            else:
                made[locale] = result
        return made, failure

    async def _switch(self, wanted: Vocabulary, made: Mapping[Locale, StoredBundle]) -> None:
        await asyncio.gather(*(self._pool.load(bundle.order) for bundle in made.values()))
        before = {context.key for context in self._in_force.values()}
        for locale, bundle in made.items():
            self._in_force[locale] = StreamContext(
                engine=f"{NAME}/{version('pocketsphinx')}",
                key=bundle.order.key,
                registry_revision=wanted.revision,
                spellings=bundle.spellings,
                minimum_confidence=self.limit(locale),
            )
            _log.info(
                "vocabulary in force",
                locale=locale,
                revision=wanted.revision,
                words=bundle.words,
                problems=bundle.problems,
            )
        for locale in set(self._in_force) - {locale for locale, documents in wanted.locales.items() if documents}:
            del self._in_force[locale]
        for key in before - {context.key for context in self._in_force.values()}:
            self._pool.unload(key)

    def limit(self, locale: Locale) -> float:
        """Return the confidence below which speech in a locale is rejected."""
        if self._minimum_confidence is not None:
            return self._minimum_confidence
        return self._models[locale].calibration.limit
