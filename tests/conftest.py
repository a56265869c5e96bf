"""What holds for every test."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Generator
from typing import Any

import nats
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from earshot_chassis.client import QuickClient

# Tests connect as services do: a flush of nats-py's own client does not wait for a subscription made before it.
nats.NATS = QuickClient  # type: ignore[misc]

# How long an example takes says more about who else uses the machine than about the code. Examples are the same each time, so
# that what has passed passes again; others are sought with ARGS=--hypothesis-profile=seek.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("seek", _UNHURRIED)
settings.register_profile("same", _UNHURRIED, derandomize=True)
settings.load_profile("same")

# `make test-deploy` names it.
collect_ignore = ["deploy_slow"]
# Folders whose files share one stack.
_SHARING = {"tests/outages", "tests/ringing", "tests/traces", "tests/turns"}
# What loads the machine by itself: one after the other in one process, from the beginning. Side by side they would be late for no
# other reason than each other.
_HEAVY = {
    "tests/chaos",
    "tests/fuzz",
    "tests/rolling",
    "tests/local/test_cluster.py",
    "tests/scheduler/test_crowd.py",
}
_ALONE = "heavy"
# What takes longest begins first, so that nobody works alone at the end.
_LONG = (
    _ALONE,
    "tests/turns",
    "tests/nlu/test_model_turns.py",
    "tests/outages",
    "tests/effects/test_effects.py",
    "tests/chassis/test_service.py",
    "tests/parked/test_parked.py",
    "tests/endurance/test_endurance.py",
    "tests/operator/test_lives.py",
    "tests/operator/test_kills.py",
    "tests/cli/test_cluster.py",
    "tests/local/test_revoking.py",
    "tests/nlu/test_training.py",
    "tests/traces",
    "tests/deploy/test_flows.py",
    "tests/chassis/test_storage.py",
    "tests/device/test_lost_servers.py",
    "tests/timers/test_rings.py",
    "tests/tts/test_takeover.py",
    "tests/operator/test_waiting.py",
    "tests/scheduler/test_scheduler.py",
    "tests/operator/test_refusals.py",
    "tests/deploy/test_triggers.py",
    "tests/quotas/test_neighbours.py",
    "tests/nlu/test_statistical.py",
    "tests/cli/test_bus.py",
    "tests/cli/test_up.py",
    "tests/ringing",
    "tests/lifecycle/test_lifecycle.py",
    "tests/asr_engines/test_mandarin_rejection.py",
    "tests/asr_engines/test_rejection.py",
    "tests/scheduler/test_process.py",
    "tests/scheduler/test_crashes.py",
)
# A process is given two of these at first, and would begin its second one after minutes: these cost nobody anything.
_SHORT = ("tests/scheduler/test_words.py", "tests/bench/test_recoveries.py", "tests/bench/test_recognition_scoring.py")


class _ByServers(LoadScopeScheduling):
    """Keeps a file's tests in one process, or a folder's: they share servers. What takes long begins first."""

    _ordered = False

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        folder = file.rsplit("/", 1)[0]
        if folder in _HEAVY or file in _HEAVY:
            return _ALONE
        return folder if folder in _SHARING else file

    def _assign_work_unit(self, node: Any) -> None:
        if not self._ordered:
            self._ordered = True
            long = [name for name in _LONG if name in self.workqueue]
            at_once = len(self.nodes)
            for name in reversed([*long[:at_once], *_SHORT, *long[at_once:]]):
                if name in self.workqueue:
                    self.workqueue.move_to_end(name, last=False)
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected, and look at nothing of them again afterwards.

    A process holds all tests of the suite, more than a million objects: each full collection takes half a second of them, and
    whichever test it happens in.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
