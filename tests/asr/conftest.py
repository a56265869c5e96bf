"""What every test of the recogniser needs."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_default_loop() -> None:
    """Keep the loop policy from making a loop of its own, which nobody would close, for module-scoped tests."""
    asyncio.set_event_loop(None)
