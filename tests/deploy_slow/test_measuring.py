"""What `earshot capacity` measures comes out of real turns: each figure is there, and none is out of proportion to the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from earshot_cli.capacity.figures import PATH, read
from earshot_cli.capacity.measuring import Effort, measure

TINY = Effort(alone=2, devices=2, rounds=2, timers=1, idle_s=2.0, connections=50, deliveries=500, writes_s=1.0)


@pytest.mark.timeout(900)
async def test_a_little_of_everything_is_measured(tmp_path: Path) -> None:
    """Two devices, a timer, a journal, a crowd of fifty, and three nodes: figures that can be kept, read and believed."""
    told: list[str] = []
    found = await measure(TINY, told.append)
    kept = tmp_path / "figures.json"
    found.write(kept)
    assert read(kept) == found
    assert any("devices speak" in text for text in told)
    assert found.turns == TINY.alone + TINY.devices * TINY.rounds
    # Recognition costs most of a turn, less than the time that it takes, and its cost is of the seconds that were spoken.
    costs = {name: found.services[name].cpu_s_per_turn for name in PATH}
    assert max(costs, key=lambda name: costs[name]) == "asr"
    assert costs["asr"] == pytest.approx(found.asr_cpu_s_per_audio_s * found.utterance_s)
    assert 0.005 < found.asr_cpu_s_per_audio_s < 1
    assert 1 < found.utterance_s < 6
    assert 1 < found.answer_s < 15
    assert len(found.first_audio_s) <= TINY.alone
    for each in found.services.values():
        assert each.idle_cores < 0.5
        assert 10 < each.memory_mib < 2_000
        assert 0.1 < each.start_s < 240
    # A skill has cancelled a timer: of what it wrote down, the size is known.
    bus = found.bus
    assert 100 < bus.stored_bytes["KV_SKILL_EFFECTS"] < 2_000
    assert bus.stored_bytes["AUDIO"] > bus.stored_bytes["KV_SKILL_EFFECTS"]
    # Three copies cost more than one, and not more than three and what nodes tell one another.
    assert 1 < bus.copy_cost < 6
    assert bus.memory_stream_writes_per_s > bus.stream_writes_per_s > 0
    assert bus.cpu_s_per_delivery < bus.cpu_s_per_connect < bus.cpu_s_per_turn
