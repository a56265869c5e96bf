"""What holds for every test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Folders whose files share one stack.
_SHARING = {"tests/outages", "tests/ringing", "tests/traces", "tests/turns"}


class _ByServers(LoadScopeScheduling):
    """Keeps a file's tests in one process, or a folder's: they share servers."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        folder = file.rsplit("/", 1)[0]
        return folder if folder in _SHARING else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say what runs side by side."""
    # By hand: what xdist 3.8 does for groups by mark, pytest 9.2 does not read.
    return _ByServers(config, log)


def pytest_configure() -> None:
    """Leave the main thread without an event loop: pytest-asyncio would have one made, and nobody would close it."""
    asyncio.set_event_loop(None)
