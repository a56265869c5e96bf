"""What a device sends holds audio and never the words that it stands for."""

from __future__ import annotations

import base64

from nats.aio.msg import Msg

from earshot.device.v1 import upstream_pb2
from earshot_device import OutcomeKind
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import Recording, device, speech


def everything(message: Msg) -> bytes:
    """Return all of a message in one lower-case string of bytes: subject, headers, payload."""
    headers = " ".join(f"{name}={value}" for name, value in (message.headers or {}).items())
    return b"\n".join((message.subject.encode(), headers.encode(), message.data)).lower()


async def test_no_text_of_the_utterance_goes_up(stack: Stack, address: DeviceAddress) -> None:
    """Subjects, headers and payloads of a spoken turn hold no word of it, in any plain coding; the turn is answered."""
    text = "what time is it in Tokyo"
    samples = await speech(stack, text, "en-US")
    recording = await Recording.of(stack, f"device.{address.household}.{address.device}.up.>")
    async with device(stack, address) as speaking:
        result = await speaking.say(samples)
        await speaking.settled()
    sent = await recording.stop()
    assert result.kind is OutcomeKind.ANSWERED
    assert result.transcript.lower() == text.lower()
    kinds = {message.subject.split(".")[4] for message in sent}
    assert {"started", "audio", "event"} <= kinds
    heard = b"\n".join(everything(message) for message in sent)
    for word in ("what time", "time is", "tokyo"):
        for coded in (word.encode(), word.encode("utf-16-le"), base64.b64encode(word.encode())[:-2].lower()):
            assert coded not in heard, word


async def test_frames_carry_nothing_but_audio(stack: Stack, address: DeviceAddress) -> None:
    """A frame has a turn, a sequence and samples; there is no field left in which words could travel."""
    recording = await Recording.of(stack, f"device.{address.household}.{address.device}.up.audio.*")
    async with device(stack, address) as speaking:
        await speaking.say(await speech(stack, "what time is it", "en-US"))
    for message in await recording.stop():
        frame = upstream_pb2.AudioFrame.FromString(message.data)
        assert {field.name for field, _ in frame.ListFields()} <= {"turn_id", "sequence", "payload", "last"}
        frame.DiscardUnknownFields()
        assert frame.ByteSize() == len(message.data), "unknown fields travel with the frame"
