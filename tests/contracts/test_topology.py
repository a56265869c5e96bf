"""What is declared about the bus agrees with itself and with the contracts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from earshot_topology import attributes, subjects
from earshot_topology.asyncapi import document, text
from earshot_topology.catalog import CHANNELS
from earshot_topology.permissions import ROLES
from earshot_topology.streams import BUCKETS, CONSUMERS, STREAMS
from earshot_topology.subjects import DeviceAddress, InvalidTokenError

DEVICE = DeviceAddress("h1", "d1")


def covers(pattern: str, subject: str) -> bool:
    """Tell whether a NATS pattern covers a subject, in which `*` may stand for a token."""
    left, right = pattern.split("."), subject.split(".")
    for index, part in enumerate(left):
        if part == ">":
            return len(right) > index
        if index >= len(right) or part not in {"*", right[index]}:
            return False
    return len(left) == len(right)


def test_every_consumer_reads_what_its_stream_holds() -> None:
    """A consumer's filter is covered by its stream's subjects."""
    streams = {stream.name: stream.subjects for stream in STREAMS}
    for consumer in CONSUMERS:
        assert any(covers(subject, consumer.filter_subject) for subject in streams[consumer.stream])


def test_every_kept_channel_names_the_stream_that_keeps_it() -> None:
    """A channel's stream owns its subject; a channel without one is owned by none."""
    streams = {stream.name: stream.subjects for stream in STREAMS}
    streams |= {f"KV_{bucket.bucket}": [f"$KV.{bucket.bucket}.>"] for bucket in BUCKETS}
    for channel in CHANNELS:
        subject = re.sub(r"{\w+}", "*", channel.address)
        owners = {name for name, owned in streams.items() if any(covers(pattern, subject) for pattern in owned)}
        assert owners == ({channel.stream} if channel.stream else set()), channel.name


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_every_role_may_do_what_the_catalogue_says(channel) -> None:
    """Senders may publish a channel's subject, receivers may subscribe to it or consume its stream."""
    subject = re.sub(r"{\w+}", "*", channel.address)
    for role in set(channel.senders) & ROLES.keys():
        assert any(covers(pattern, subject) for pattern in ROLES[role].publish), role
    for role in set(channel.receivers) & ROLES.keys():
        consumed = any(
            consumer.stream == channel.stream and consumer.service == role for consumer in CONSUMERS
        ) or channel.stream.startswith("KV_")
        assert consumed or any(covers(pattern, subject) for pattern in ROLES[role].subscribe), role


def test_no_service_may_do_everything() -> None:
    """Only admin has the wildcard of everything; no service may manage streams."""
    for role, permissions in ROLES.items():
        if role != "admin":
            for subject in permissions.publish:
                assert not covers(subject, "$JS.API.STREAM.DELETE.TURNS"), role
                assert subject not in {">", "$JS.>", "$JS.API.>"}
                assert not subject.startswith(">"), role


def test_asyncapi_is_committed_and_complete() -> None:
    """The committed document is the generated one and holds every channel with both directions."""
    committed = Path(__file__).resolve().parents[2] / "docs" / "asyncapi.yaml"
    assert committed.read_text() == text()
    generated = document()
    assert set(generated["channels"]) == {channel.name for channel in CHANNELS}
    for channel in CHANNELS:
        assert any(key.endswith(f".send.{channel.name}") for key in generated["operations"])
        assert any(key.endswith(f".receive.{channel.name}") for key in generated["operations"])


@pytest.mark.parametrize("bad", ["", "a.b", "*", ">", "a b", "x" * 65, "家", "a\n"])
def test_ids_can_not_widen_a_subject(bad: str) -> None:
    """What is not one plain token is refused wherever a subject is built."""
    with pytest.raises(InvalidTokenError):
        DeviceAddress(bad, "d1").event()
    with pytest.raises(InvalidTokenError):
        DEVICE.audio(bad)
    with pytest.raises(InvalidTokenError):
        DEVICE.deadline_arm(bad)


def test_address_is_read_back_from_a_subject() -> None:
    """Household and device come from the subject."""
    assert DeviceAddress.of(DEVICE.started("zh-CN", "stable")) == DEVICE
    assert subjects.locale_and_lane(DEVICE.started("zh-CN", "stable")) == ("zh-CN", "stable")
    assert subjects.turn_of(DEVICE.speech("t1")) == "t1"
    for bad in ("turn.transcribed", "device.h1", "device..d1.up.event"):
        with pytest.raises(InvalidTokenError):
            DeviceAddress.of(bad)


def test_attributes_follow_the_rules() -> None:
    """Declared attributes are lower case and dotted, and what users say has a pii segment."""
    assert all(re.fullmatch(r"[a-z]+(\.[a-z_]+)+", name) for name in attributes.DECLARED)
    assert {name for name in attributes.DECLARED if "transcript" in name or "answer" in name} <= {
        name for name in attributes.DECLARED if ".pii." in name
    }
