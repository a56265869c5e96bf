"""What holds for every test."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import nats
import pytest
from xdist.scheduler import LoadScopeScheduling

from earshot_chassis.client import QuickClient

# Tests connect as services do: a flush of nats-py's own client does not wait for a subscription made before it.
nats.NATS = QuickClient  # type: ignore[misc]

# `make test-deploy` names it.
collect_ignore = ["deploy_slow"]
# Folders whose files share one stack.
_SHARING = {"tests/outages", "tests/ringing", "tests/traces", "tests/turns"}
# Folders that load the machine by themselves: one after the other in one process, from the beginning. Side by side they
# would be late for no other reason than each other.
_HEAVY = {"tests/chaos", "tests/endurance", "tests/fuzz", "tests/rolling"}
_HEAVY_FILES = {"tests/local/test_cluster.py", "tests/scheduler/test_crowd.py"}
_ALONE = "heavy"


class _ByServers(LoadScopeScheduling):
    """Keeps a file's tests in one process, or a folder's: they share servers. What is heavy begins first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        folder = file.rsplit("/", 1)[0]
        if folder in _HEAVY or file in _HEAVY_FILES:
            return _ALONE
        return folder if folder in _SHARING else file

    def _assign_work_unit(self, node: Any) -> None:
        if _ALONE in self.workqueue:
            self.workqueue.move_to_end(_ALONE, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say what runs side by side."""
    # By hand: what xdist 3.8 does for groups by mark, pytest 9.2 does not read.
    return _ByServers(config, log)


def pytest_configure() -> None:
    """Leave the main thread without an event loop (pytest-asyncio would have one made), and stacks without models."""
    asyncio.set_event_loop(None)
    # A stack that lives for seconds would spend them on training; tests/nlu trains what it tests.
    os.environ.setdefault("EARSHOT_NLU_MODEL", "none")
