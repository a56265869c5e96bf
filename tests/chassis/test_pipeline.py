"""Many requests in flight, when the server that they were sent to is no more."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from earshot_chassis.bus import Bus
from earshot_chassis.errors import RetryableError
from earshot_chassis.pipeline import Pipeline, Write
from earshot_chassis.settings import ServiceSettings
from support.nats import nats_server


async def test_what_a_lost_server_was_asked_is_given_up_at_the_next_connection(tmp_path: Path) -> None:
    """Not after the whole timeout: whoever asked may ask again."""
    async with nats_server(tmp_path) as server:
        bus = Bus("scheduler", ServiceSettings(nats_url=server.url))
        await bus.connect()
        pipeline = Pipeline(bus.client)
        await pipeline.start()
        bus.on_reconnect(pipeline.reconnected)
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        asked = asyncio.ensure_future(pipeline.store([Write("turn.transcribed", b"x", {})] * 3, timeout_s=300))
        read = asyncio.ensure_future(pipeline.last("KV_SCHEDULES", ["$KV.SCHEDULES.a.b"], timeout_s=300))
        await asyncio.sleep(0)
        assert not asked.done()
        server.kill()
        server.start()
        results = await asked
        assert all(isinstance(each, RetryableError) for each in results)
        assert isinstance((await asyncio.gather(read, return_exceptions=True))[0], RetryableError)
        assert time.monotonic() - began < 100
        (stored,) = await pipeline.store([Write("turn.transcribed", b"x", {})], timeout_s=60)
        assert not isinstance(stored, Exception)
        await pipeline.stop()
        await bus.close()
