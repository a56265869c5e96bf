"""Frames that come faster than they are heard."""

from __future__ import annotations

from earshot.device.v1 import upstream_pb2
from earshot_asr.limits import Limits
from earshot_asr.receiving import Receiver
from earshot_asr.source import Ending
from earshot_asr.upload import UploadRules
from earshot_asr.utterance import TurnId
from earshot_asr.wire import read_frame


async def test_what_is_heard_of_too_much_does_not_depend_on_how_fast_it_came() -> None:
    """As much as an utterance may have, in which it may end: only whoever wants more is told that it is too large."""
    rules, limits = UploadRules(), Limits(bytes=10)
    receiver = Receiver(
        TurnId("t1"), "audio", read_frame=read_frame, rules=rules, limits=limits, now=0.0, gap=lambda _receiver: None
    )

    def send(*sequences: int) -> None:
        for sequence in sequences:
            frame = upstream_pb2.AudioFrame(turn_id="t1", sequence=sequence, payload=bytes([sequence, 0]))
            receiver.on_frame(frame.SerializeToString())

    send(0)
    assert await receiver.next() == [b"\0\0"]
    send(*range(1, 9))
    assert await receiver.next() == [bytes([sequence, 0]) for sequence in range(1, 5)]
    assert await receiver.next() is Ending.TOO_LARGE
