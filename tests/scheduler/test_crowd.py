"""Many alarms at one instant, while schedulers and the bus are killed around it: each device rings exactly once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from earshot_topology.subjects import SCHEDULE_DUE
from support.crowds import Devices, instant_in, scheduler_processes, set_alarms, subject_of, until_instant
from support.nats import nats_server

ALARMS = 400


@pytest.mark.timeout(120)
async def test_each_of_many_alarms_rings_once_whoever_is_killed(tmp_path: Path) -> None:
    """Both schedulers and the bus around the instant, and each again in the midst of ringing; none is lost or doubled."""
    async with nats_server(tmp_path) as server, scheduler_processes(server) as schedulers:
        devices = await Devices.on(server)
        due = instant_in(6)
        await set_alarms(schedulers, ALARMS, due)
        await until_instant(due.timestamp() - 0.2)
        schedulers[0].restart()
        server.kill()
        await until_instant(due.timestamp() + 0.1)
        schedulers[1].restart()
        server.start()
        await devices.until(ALARMS // 8, 40)
        schedulers[0].restart()
        await devices.until(ALARMS // 4, 40)
        server.kill()
        server.start()
        schedulers[1].restart()
        assert await devices.until(ALARMS, 60)
        await asyncio.gather(*(scheduler.until_ready() for scheduler in schedulers))
        jetstream = devices.client.jetstream()
        async with asyncio.timeout(30):
            while True:
                consumer = await jetstream.consumer_info("OCCURRENCES", "scheduler_due")
                if not consumer.num_pending and not consumer.num_ack_pending:
                    break
                await asyncio.sleep(0.1)
        await devices.read_again()
        left = await jetstream.stream_info("OCCURRENCES", subjects_filter=">")
        await devices.client.close()
    assert set(left.state.subjects or {}) <= {SCHEDULE_DUE}
    assert devices.rang == {subject_of(number): 1 for number in range(ALARMS)}
    assert devices.labels == {subject_of(number): f"alarm {number}" for number in range(ALARMS)}
