"""A cut line holds everything back and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time

import nats
import pytest
import uvloop

from chaos.cutting import _write, lines_for
from chaos.routes import routes_between
from earshot_local.nats_server import Node
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


async def test_a_server_that_is_out_of_reach_is_so_for_its_own_connections_alone(tmp_path):
    """Nothing passes to or from it; the other one goes on."""
    async with (
        nats_server(tmp_path / "a", streams=False) as first,
        nats_server(tmp_path / "b", streams=False) as second,
        lines_for(["device"], nodes=2) as lines,
    ):
        line = lines["device"]
        line.leads_to(f"{first.url},{second.url}")
        cut, whole = [await nats.connect(url) for url in line.url.split(",")]
        async with line.apart_from(0):
            flushing = asyncio.create_task(cut.flush(20))
            await whole.flush(5)
            assert not flushing.done()
        await flushing
        await cut.close()
        await whole.close()


async def test_a_node_that_is_parted_neither_reaches_the_others_nor_is_reached(tmp_path):
    """Whoever connects, on whichever line; the others' own line stays whole, and a parted node goes on where it was."""
    async with contextlib.AsyncExitStack() as opened:
        routes = await opened.enter_async_context(routes_between(3))
        servers = [
            await opened.enter_async_context(nats_server(tmp_path / str(number), streams=False)) for number in range(3)
        ]
        nodes = [
            Node(
                name=f"nats-server-{number}",
                port=0,
                storage=tmp_path,
                monitor_port=0,
                route_port=int(server.url.rsplit(":", 1)[1]),
            )
            for number, server in enumerate(servers)
        ]
        out, back, whole = [
            await nats.connect(f"nats://127.0.0.1:{routes(nodes[one], nodes[other])}")
            for one, other in ((0, 1), (1, 0), (1, 2))
        ]
        async with routes.parted(0):
            waiting = [asyncio.create_task(client.flush(20)) for client in (out, back)]
            await whole.flush(5)
            assert not any(each.done() for each in waiting)
        await asyncio.gather(*waiting)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", routes(nodes[0], nodes[0]))
        for client in (out, back, whole):
            await client.close()


async def test_a_line_that_leads_nowhere_refuses(tmp_path):
    """Whoever connects before the servers are known tries again."""
    async with nats_server(tmp_path, streams=False) as server, lines_for(["device"]) as lines:
        reader, writer = await asyncio.open_connection("127.0.0.1", lines["device"].ports[0])
        assert await reader.read() == b""
        writer.close()
        lines["device"].leads_to(server.url)
        client = await nats.connect(lines["device"].url)
        await client.close()


def test_a_connection_that_has_gone_is_the_same_to_every_event_loop():
    """Uvloop has an error of its own for writing to a closed connection; it passes as the one that asyncio has."""

    async def write_on() -> None:
        over = asyncio.Event()

        async def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await over.wait()
            writer.close()

        async with await asyncio.start_server(connected, "127.0.0.1") as server, asyncio.timeout(10):
            _, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
            writer.close()
            try:
                while True:
                    _write(writer, b"x")
                    await asyncio.sleep(0)
            finally:
                over.set()

    with pytest.raises(ConnectionResetError):
        uvloop.run(write_on())
