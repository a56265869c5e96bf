"""What holds for every test."""

from __future__ import annotations

import asyncio


def pytest_configure() -> None:
    """Leave the main thread without an event loop: pytest-asyncio would have one made, and nobody would close it."""
    asyncio.set_event_loop(None)
