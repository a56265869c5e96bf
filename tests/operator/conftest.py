"""One bus for the tests of a file."""

from __future__ import annotations

import pytest

from support.kube import real
from support.kube.operating import bus


@pytest.fixture
async def stack(tmp_path):
    """A bus of its own; None where the cluster is a real one, which has its own."""
    if real.wanted():
        yield None
        return
    async with bus(tmp_path / "bus") as running:
        yield running
