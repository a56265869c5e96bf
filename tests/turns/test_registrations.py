"""What services listen to is what the catalogue says, from which AsyncAPI is generated: asked of nats-server itself."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import nats
import numpy as np
import pytest
from nats.js.api import ConsumerInfo

from earshot_local.stack import Stack
from earshot_topology.catalog import CHANNELS, Channel
from earshot_topology.permissions import ROLES
from earshot_topology.streams import CONSUMERS, Consumer
from earshot_topology.subjects import DeviceAddress
from support.stack import converse, device

SERVICES = sorted({*ROLES} - {"admin"})
NOT_CHANNELS = ("_INBOX", "$JS.")


def overlap(left: str, right: str) -> bool:
    """Tell whether one NATS pattern covers the other, token by token."""
    for one, other in zip(left.split("."), right.split("."), strict=False):
        if ">" in (one, other):
            return True
        if one != other and "*" not in (one, other):
            return False
    return left.count(".") == right.count(".")


def subject_of(channel: Channel) -> str:
    """Return a channel's subject with wildcards."""
    return re.sub(r"{\w+}", "*", channel.address)


async def connections(stack: Stack) -> list[dict[str, Any]]:
    """Ask nats-server for every connection with its subscriptions."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("system")))
    options = json.dumps({"subscriptions": True, "auth": True, "limit": 10_000}).encode()
    answer = await client.request("$SYS.REQ.SERVER.PING.CONNZ", options, timeout=5)
    await client.close()
    return list(json.loads(answer.data)["data"]["connections"])


def listened(found: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return what each role listens to, without inboxes and JetStream's own subjects."""
    by_role = defaultdict(set)
    for connection in found:
        # earshot-<role>/<instance>, and more for a second connection of the same process.
        role = str(connection.get("name", "")).removeprefix("earshot-").partition("/")[0]
        subjects = connection.get("subscriptions_list", [])
        by_role[role] |= {subject for subject in subjects if not subject.startswith(NOT_CHANNELS)}
    return by_role


@pytest.fixture
def received() -> Iterator[dict[str, list[Channel]]]:
    """Return the channels that each role receives by the catalogue."""
    by_role = defaultdict(list)
    for channel in CHANNELS:
        for role in channel.receivers:
            by_role[role].append(channel)
    return by_role


async def test_services_listen_to_what_the_catalogue_says(
    stack: Stack, address: DeviceAddress, received: dict[str, list[Channel]]
) -> None:
    """Every subscription of a service is a channel that names it as receiver; every such channel is listened to.

    Some are listened to only while somebody speaks, or after a typed turn: both happen meanwhile.
    """
    await converse(stack, "what time is it", "en-US", address)
    async with device(stack, address) as speaking:
        saying = asyncio.create_task(speaking.say(np.zeros(160_000, np.int16)))
        async with asyncio.timeout(5):
            heard = listened(await connections(stack))
            while not any(".audio." in subject for subject in heard["asr"]):
                await asyncio.sleep(0.05)
                heard = listened(await connections(stack))
        speaking.cancel()
        await saying
    for role in (*SERVICES, "device"):
        for subject in heard[role]:
            assert any(overlap(subject, subject_of(channel)) for channel in received[role]), (role, subject)
    for channel in CHANNELS:
        for role in set(channel.receivers) & {*SERVICES, "device"}:
            if consumed(role, channel) or channel.stream.startswith("KV_"):
                continue
            assert any(overlap(subject, subject_of(channel)) for subject in heard[role]), (role, channel.name)
    skills = [role for role in heard if role.startswith("skill-")]
    assert len(skills) >= 3
    assert not [heard[role] for role in skills if heard[role]], "a skill is asked by gRPC and listens to nothing"


def consumed(role: str, channel: Channel) -> bool:
    """Tell whether a role reads a channel through a durable consumer."""
    return any(
        consumer.service == role
        and consumer.stream == channel.stream
        and overlap(consumer.filter_subject, subject_of(channel))
        for consumer in CONSUMERS
    )


async def test_every_durable_consumer_is_pulled_by_its_service(
    stack: Stack, received: dict[str, list[Channel]]
) -> None:
    """Every declared consumer has somebody waiting on it, and only its own service may; none exists that is not declared."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")), inbox_prefix="_INBOX_admin")
    jetstream = client.jetstream()
    for consumer in CONSUMERS:
        pull = f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.durable}"
        assert [role for role in SERVICES if pull in ROLES[role].publish] == [consumer.service]
        assert [channel for channel in received[consumer.service] if channel.stream == consumer.stream], consumer
        async with asyncio.timeout(5):
            # Between two pulls of a replica there is a moment without one.
            while not (await information(jetstream, consumer)).num_waiting:
                await asyncio.sleep(0.05)
    for stream in {channel.stream for channel in CHANNELS if channel.stream and not channel.stream.startswith("KV_")}:
        durables = {found.name for found in await jetstream.consumers_info(stream) if found.config.durable_name}
        assert durables == {consumer.durable for consumer in CONSUMERS if consumer.stream == stream}, stream
    await client.close()


async def information(jetstream: Any, consumer: Consumer) -> ConsumerInfo:
    """Return the server's word on a consumer."""
    return await jetstream.consumer_info(consumer.stream, consumer.durable)
