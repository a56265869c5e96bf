"""What holds for every test."""

from __future__ import annotations

import asyncio

import pytest


def pytest_configure() -> None:
    """Leave the main thread without an event loop: pytest-asyncio would have one made, and nobody would close it."""
    asyncio.set_event_loop(None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep a file's tests in one process, unless their folder says otherwise: they share servers."""
    if item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(str(item.path)))
