"""As many connected devices as one nats-server has to hold: all are told everything, and all come back when it was lost."""

from __future__ import annotations

import json

import pytest

from bench import devices, results

COUNT, MESSAGES = 5_000, 25_000


@pytest.mark.timeout(600)
async def test_five_thousand_devices_are_told_everything_and_come_back() -> None:
    """The benchmark of docs/scale.md fails where one is not there, misses a message, or stays away after a restart."""
    await devices.bench(COUNT, MESSAGES, devices.JITTER_S)
    told = json.loads((results.RESULTS / "bench-devices.json").read_text())
    assert (told["connected"], told["lost_messages"], told["protocol_errors"]) == (COUNT, 0, 0)
    # What capacity sizes nodes by, with room for another machine's allocator.
    assert told["memory_kib_per_connection"] < 100
