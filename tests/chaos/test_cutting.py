"""A cut line holds everything back and loses nothing."""

from __future__ import annotations

import asyncio
import time

import nats

from chaos.cutting import lines_for
from support.nats import nats_server


async def test_what_is_sent_while_a_line_is_cut_arrives_afterwards(tmp_path):
    """As over a cable that is pulled and put back before anybody gives up."""
    async with nats_server(tmp_path, streams=False) as server, lines_for(["device"]) as lines:
        line = lines["device"]
        line.leads_to(server.url)
        here, there = await nats.connect(line.url), await server.connect()
        heard = await there.subscribe("x")
        await there.flush()
        await here.publish("x", b"before")
        assert (await heard.next_msg(5)).data == b"before"
        began = time.monotonic()
        cut = asyncio.create_task(line.cut(0.5))
        await asyncio.sleep(0)
        await here.publish("x", b"during")
        assert (await heard.next_msg(5)).data == b"during"
        assert time.monotonic() - began >= 0.5
        await cut
        await here.close()
        await there.close()


async def test_a_line_that_leads_nowhere_refuses(tmp_path):
    """Whoever connects before the servers are known tries again."""
    async with nats_server(tmp_path, streams=False) as server, lines_for(["device"]) as lines:
        reader, writer = await asyncio.open_connection("127.0.0.1", lines["device"].ports[0])
        assert await reader.read() == b""
        writer.close()
        lines["device"].leads_to(server.url)
        client = await nats.connect(lines["device"].url)
        await client.close()
