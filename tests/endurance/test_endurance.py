"""A small life of the real system: everything that could grow is watched."""

from __future__ import annotations

from pathlib import Path

import pytest

from endurance.gathering import PASSING, SERVER
from endurance.living import live

SERVICES = ("asr-0", "nlu-0", "dialogue-0", "tts-0", "note-0")


@pytest.mark.timeout(120)
async def test_every_series_is_gathered(tmp_path: Path) -> None:
    """Two dozen turns and ten reconnects of the real system are all answered, and no figure of any process is missing."""
    said: list[str] = []
    life = await live(tmp_path, turns=24, reconnects=10, devices=2, replicas=1, say=said.append, warm_up=0.0)
    assert life.wrong == []
    assert (life.turns >= 24, life.reconnects >= 10) == (True, True)
    found = {(trend.series.of, trend.series.name) for trend in life.trends}
    every = [*SERVICES, "tracestore", SERVER]
    assert found == {
        *((name, figure) for name in every for figure in ("rss MiB", "fds")),
        *((name, "tasks") for name in (*SERVICES, "tracestore")),
        *((SERVER, figure) for figure in ("connections", "subscriptions", "consumers", "streams", "pending")),
        *((stream, "messages/turn") for stream in PASSING),
    }
    processes = [trend.series for trend in life.trends if trend.series.name in ("rss MiB", "fds", "tasks")]
    assert min(value for series in processes for value in series.values) > 0
