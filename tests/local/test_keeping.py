"""What a server that stands alone keeps in memory is made anew by those who need it; what a cluster has is left alone."""

from __future__ import annotations

import pytest
from nats.js.errors import NotFoundError

from earshot_topology.apply import apply, diff
from earshot_topology.keeping import keep
from earshot_topology.streams import ASR_STARTED
from support.nats import NatsServer, free_port, nats_server


@pytest.mark.parametrize("name", ["AUDIO", "QUOTAS"])
async def test_a_stream_that_a_restart_has_cost_is_there_again(tmp_path, name):
    """SIGKILL forgets it; the one who needs it makes it, as declared, and doing so twice changes nothing."""
    server = NatsServer(port=free_port(), storage=tmp_path)
    for start in range(2):
        server.start()
        await server.ready()
        client = await server.connect()
        jetstream = client.jetstream()
        if start == 0:
            await apply(jetstream)
        else:
            with pytest.raises(NotFoundError):
                await jetstream.stream_info(name)
            assert await keep(jetstream, name, ASR_STARTED)
            assert await keep(jetstream, name, ASR_STARTED)
            told = [line for drift in await diff(jetstream) for line in drift.lines()]
            assert [line for line in told if name in line] == []
        await client.close()
        server.kill()


async def test_a_stream_that_was_declared_otherwise_is_left_as_it_is(tmp_path):
    """Whoever applies the topology decides what it is like."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        jetstream = client.jetstream()
        config = (await jetstream.stream_info("AUDIO")).config
        await jetstream.update_stream(config.evolve(max_bytes=1 << 20))
        assert await keep(jetstream, "AUDIO", ASR_STARTED)
        assert (await jetstream.stream_info("AUDIO")).config.max_bytes == 1 << 20
        await client.close()
