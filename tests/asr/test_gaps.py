"""A frame that is neither live nor in what was read of the capture."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from earshot.device.v1 import upstream_pb2
from earshot_asr.receiving import Receivers
from earshot_asr.source import Ending
from earshot_asr.utterance import TurnId
from earshot_asr.wire import read_frame
from earshot_topology.subjects import DeviceAddress
from support.nats import nats_server

SUBJECT = DeviceAddress("h1", "d1").audio("t1")


class SlowCapture:
    """A capture that has not stored the first frames yet when it is read for the first time."""

    def __init__(self) -> None:
        self.reads = 0

    async def read(self, subject: str, take: Callable[[bytes], None]) -> None:
        """Give what is stored by now."""
        assert subject == SUBJECT
        self.reads += 1
        if self.reads > 1:
            for sequence in range(3):
                take(frame(sequence))


def frame(sequence: int, *, last: bool = False) -> bytes:
    """Return a frame whose samples tell its place."""
    message = upstream_pb2.AudioFrame(turn_id="t1", sequence=sequence, payload=bytes([sequence, 0]), last=last)
    return message.SerializeToString()


async def test_frame_that_fell_between_read_and_subscription_is_asked_for_at_once(tmp_path: Path) -> None:
    """A later frame shows the gap, and the capture is asked again within a few hundredths of a second, once."""
    async with nats_server(tmp_path, streams=False) as server:
        client = await server.connect()
        capture = SlowCapture()

        async def acknowledge(_sequence: int) -> None:
            pass

        receivers = Receivers(client, capture, read_frame)  # type: ignore[arg-type]  # what it uses of a Capture
        receiver = await receivers.open(TurnId("t1"), SUBJECT, acknowledge)
        for sequence in (3, 4):
            await client.publish(SUBJECT, frame(sequence, last=sequence == 4))
        began = time.monotonic()
        heard = b""
        async with asyncio.timeout(2):
            while not isinstance(taken := await receiver.next(), Ending):
                heard += b"".join(taken)
        assert time.monotonic() - began < 0.25
        assert heard == bytes([0, 0, 1, 0, 2, 0, 3, 0, 4, 0])
        assert capture.reads == 2
        await receivers.close(receiver)
        await client.close()
