"""Headers, read by our client as by nats-py's; a flush that waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

from earshot_chassis.client import QuickClient
from support.nats import nats_server


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"traceparent: 00-aa-bb-01\r\nNats-Sequence:12\r\n\r\n",
        b"A:\t spaced \t\r\nB:\r\nC : before\r\n\r\n",
        b"no colon\r\nname with space: x\r\ntab\tin: x\r\nfine: yes\r\n\r\n",
        b": nameless\r\nTwice: 1\r\nTwice: 2\r\ntwice: 3\r\n\r\n",
        "Label: 早上好\r\nNämé: x\r\n\r\n".encode(),
        b"Broken: \xff\xfe\r\n\xff: x\r\nUrl: a:b:c\r\n\r\n",
    ],
)
def test_headers_say_what_they_say_to_nats_py(raw: bytes) -> None:
    """Whatever a sender wrote: names with spaces, no value, no name, other bytes than UTF-8."""
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)


async def test_a_subscription_has_begun_when_a_flush_has_ended(tmp_path: Path) -> None:
    """Whatever another connection publishes afterwards arrives, each of two hundred times."""
    async with nats_server(tmp_path, streams=False) as server:
        here, there = QuickClient(), QuickClient()
        await here.connect(server.url)
        await there.connect(server.url)
        for number in range(200):
            heard = await there.subscribe(f"x.{number}")
            await there.flush()
            await here.publish(f"x.{number}", b"at once")
            assert (await heard.next_msg(20)).data == b"at once"
        await here.close()
        await there.close()


async def test_a_subscription_that_was_drained_gets_everything_that_was_sent_before(tmp_path: Path) -> None:
    """And the server sends nothing more afterwards, though it was told a moment ago."""
    async with nats_server(tmp_path, streams=False) as server:
        here, there = QuickClient(), QuickClient()
        await here.connect(server.url)
        await there.connect(server.url)
        for number in range(100):
            heard: list[bytes] = []

            async def hear(message: Msg, heard: list[bytes] = heard) -> None:
                heard.append(message.data)

            subscription = await there.subscribe(f"x.{number}", cb=hear)
            await there.flush()
            await here.publish(f"x.{number}", b"before")
            await here.flush()
            await subscription.drain()  # type: ignore[no-untyped-call]
            told = there.stats["in_msgs"]
            await here.publish(f"x.{number}", b"after")
            await here.flush()
            await there.flush()
            assert heard == [b"before"]
            assert there.stats["in_msgs"] == told
        await here.close()
        await there.close()


def test_a_client_whose_server_is_gone_closes_and_says_so(tmp_path: Path) -> None:
    """With something left to send, on the loop that services run on: it ends, and whoever waits for messages is told."""

    async def lose() -> list[str]:
        told: list[str] = []
        async with nats_server(tmp_path, streams=False) as server:
            client = QuickClient()

            async def closed() -> None:
                told.append("closed")

            gone = asyncio.Event()

            async def disconnected() -> None:
                gone.set()

            await client.connect(server.url, closed_cb=closed, disconnected_cb=disconnected, reconnect_time_wait=0.1)
            await client.subscribe("x")
            await client.flush()
            server.kill()
            async with asyncio.timeout(10):
                await gone.wait()
            await client.publish("x", b"for nobody")
            await client.close()
            assert client.is_closed
        return told

    assert uvloop.run(lose()) == ["closed"]
