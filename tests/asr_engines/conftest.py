"""Engines with the sentences of three small skills; bundles are made once for all tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.engines.settings import EngineSettings
from support.engines import LOCALES, vocabulary


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for bundles that all tests share, whichever process they run in: services may share one, too."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "bundles"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def make_engine(cache: Path) -> Iterator[Callable[..., PocketsphinxEngine]]:
    """Make engines that are not started, of one process unless told otherwise, and without installed models."""

    def make(**settings: Any) -> PocketsphinxEngine:
        engine = create_engine(EngineSettings(**{"cache": cache, "workers": 1, **settings}))
        assert isinstance(engine, PocketsphinxEngine)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARSHOT_MODELS", str(cache / "no-models"))
        yield make


@pytest.fixture
async def engine(make_engine: Callable[..., PocketsphinxEngine]) -> AsyncIterator[PocketsphinxEngine]:
    """An engine that serves, with the vocabulary of both locales."""
    made = make_engine()
    await made.start()
    await made.set_vocabulary(vocabulary(*LOCALES))
    yield made
    await made.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving(make_engine: Callable[..., PocketsphinxEngine]) -> AsyncIterator[PocketsphinxEngine]:
    """One engine for the tests that leave its vocabulary and its processes alone."""
    made = make_engine()
    await made.start()
    await made.set_vocabulary(vocabulary(*LOCALES))
    yield made
    await made.stop()
