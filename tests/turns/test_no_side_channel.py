"""What a device sends holds audio and never the words that it stands for."""

from __future__ import annotations

import base64
import json
from typing import Any

from nats.aio.msg import Msg

from earshot.device.v1 import upstream_pb2
from earshot_device import OutcomeKind
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import Recording, device, spans_of, speech

WORDS = ("what time", "time is", "is it in", "tokyo")


def everything(message: Msg) -> bytes:
    """Return all of a message in one lower-case string of bytes: subject, headers, payload."""
    headers = " ".join(f"{name}={value}" for name, value in (message.headers or {}).items())
    return b"\n".join((message.subject.encode(), headers.encode(), message.data)).lower()


async def test_no_text_of_the_utterance_goes_up(stack: Stack, address: DeviceAddress) -> None:
    """Subjects, headers and payloads of a spoken turn hold no word of it, in any plain coding; nor do the device's spans.

    A frame has a turn, a sequence and samples, and no field left in which words could travel.
    """
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
    for word in WORDS:
        for coded in (word.encode(), word.encode("utf-16-le"), base64.b64encode(word.encode())[:-2].lower()):
            assert coded not in heard, word
    for message in sent:
        if message.subject.split(".")[4] == "audio":
            carries_only_audio(message.data)
    assert_silent(await device_spans(stack, result.trace_id))


def carries_only_audio(payload: bytes) -> None:
    """Check that a frame has its four fields and no unknown ones."""
    frame = upstream_pb2.AudioFrame.FromString(payload)
    assert {field.name for field, _ in frame.ListFields()} <= {"turn_id", "sequence", "payload", "last"}
    frame.DiscardUnknownFields()
    assert frame.ByteSize() == len(payload), "unknown fields travel with the frame"


async def device_spans(stack: Stack, trace_id: str) -> list[dict[str, Any]]:
    """Return what the device, which runs in the tests' process, exported of a turn."""

    def mine(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [span for span in spans if span["service"] == "earshot-test"]

    return mine(await spans_of(stack, trace_id, lambda spans: len(mine(spans)) >= 2))


def assert_silent(spans: list[dict[str, Any]]) -> None:
    """Check that spans hold no word, and that the device has not even set what may hold some."""
    assert {span["name"] for span in spans} == {"voice.turn", "device.playback"}
    for span in spans:
        events = [name for event in span["events"] for name in event.get("attributes", {})]
        assert not [name for name in (*span["attributes"], *events) if ".pii." in name], span["name"]
        told = json.dumps(span, ensure_ascii=False).lower()
        assert not [word for word in WORDS if word in told], span["name"]
