"""The registry on a real bus: skills come, go, crash, and the bus itself restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from nats.aio.client import Client
from nats.js.api import KeyValueConfig
from nats.js.kv import KeyValue
from structlog.testing import capture_logs

from earshot.skill.v1 import skill_pb2
from earshot_registry import RegistrySnapshot, RegistryUnavailableError, SkillRegistry
from earshot_registry.listing import list_bucket
from earshot_registry.wire import description_key, endpoint_key
from support.nats import NatsServer, nats_server

# The longest time in which a change must be seen.
SOON_S = 2.0
LEASE_S = 1.5


@dataclass(slots=True)
class Bus:
    """A server with the two buckets, their leases shortened, and a connection."""

    server: NatsServer
    client: Client
    skills: KeyValue
    endpoints: KeyValue
    registries: list[SkillRegistry] = field(default_factory=list)

    async def registry(self, **options: float) -> SkillRegistry:
        """Start a registry, to be stopped with the test."""
        registry = SkillRegistry(SimpleNamespace(client=self.client), lease_s=LEASE_S, **options)
        self.registries.append(registry)
        await registry.start()
        return registry

    async def describe(self, skill_id: str, digest: str = "a") -> None:
        """Write a description."""
        description = skill_pb2.SkillDescription(skill_id=skill_id, version="0.1.0", digest=digest)
        await self.skills.put(description_key(skill_id, "0.1.0"), description.SerializeToString())

    async def lease(self, skill_id: str, instance: str = "one") -> None:
        """Write a lease."""
        endpoint = skill_pb2.SkillEndpoint(skill_id=skill_id, version="0.1.0", instance_id=instance)
        await self.endpoints.put(endpoint_key(skill_id, "0.1.0", instance), endpoint.SerializeToString())

    async def drain(self, skill_id: str, instance: str = "one") -> None:
        """Delete a lease."""
        await self.endpoints.delete(endpoint_key(skill_id, "0.1.0", instance))

    async def hold(self, skill_id: str) -> None:
        """Renew a lease until cancelled, through outages too."""
        while True:
            try:
                await self.lease(skill_id)
            except Exception:  # noqa: BLE001 - the bus is away
                await asyncio.sleep(0.05)
            await asyncio.sleep(LEASE_S / 4)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    """Run a server with the buckets of the registry."""
    async with nats_server(tmp_path, streams=False) as server:
        client = await server.connect()
        jetstream = client.jetstream()
        skills = await jetstream.create_key_value(KeyValueConfig(bucket="SKILLS", direct=True))
        await jetstream.create_key_value(KeyValueConfig(bucket="SKILL_ENDPOINTS", direct=True, ttl=LEASE_S))
        # What a dying server swallows is not waited for until the lease is over.
        endpoints = await client.jetstream(timeout=LEASE_S / 5).key_value("SKILL_ENDPOINTS")
        running = Bus(server, client, skills, endpoints)
        yield running
        for registry in running.registries:
            await registry.stop()
        await client.close()


def names(snapshot: RegistrySnapshot) -> list[str]:
    """Return the skills of a snapshot, without the assistant's own."""
    return [each.description.skill_id for each in snapshot.skills if each.endpoints]


async def seen(registry: SkillRegistry, holds: Callable[[RegistrySnapshot], bool], within_s: float = SOON_S) -> float:
    """Wait until a snapshot is so; return how long it took, in seconds."""
    started = time.monotonic()
    async with asyncio.timeout(within_s):
        while not holds(registry.snapshot):
            await asyncio.sleep(0.005)
    return time.monotonic() - started


async def test_a_skill_is_seen_when_it_comes_and_when_it_drains(bus: Bus) -> None:
    """Start and stop of a skill are seen well within two seconds."""
    registry = await bus.registry()
    await bus.lease("clock")
    await bus.describe("clock")
    await seen(registry, lambda snapshot: names(snapshot) == ["clock"], 0.5)
    await bus.drain("clock")
    await seen(registry, lambda snapshot: names(snapshot) == [], 0.5)


async def test_a_crashed_skill_is_gone_when_its_lease_ends(bus: Bus) -> None:
    """Nobody deletes the lease; the server ends it, and the next listing shows that."""
    registry = await bus.registry()
    await bus.describe("clock")
    await bus.lease("clock")
    await seen(registry, lambda snapshot: names(snapshot) == ["clock"])
    took = await seen(registry, lambda snapshot: names(snapshot) == [], LEASE_S + SOON_S)
    assert took > LEASE_S / 2


async def test_the_assistants_own_intents_are_always_there(bus: Bus) -> None:
    """The pseudo skill has sentences in both locales and no endpoint."""
    registry = await bus.registry()
    (assistant,) = registry.snapshot.skills
    assert assistant.description.skill_id == "assistant"
    assert [intent.name for intent in assistant.description.intents] == ["stop", "cancel", "repeat", "help"]
    assert [each.locale for each in assistant.description.locales] == ["en-US", "zh-CN"]
    assert assistant.endpoints == ()


async def test_callbacks_hear_the_start_and_every_change_and_no_renewal(bus: Bus) -> None:
    """One call at start, one for a skill, one for a second replica, none for renewals."""
    heard: list[tuple[int, int]] = []

    async def listen(snapshot: RegistrySnapshot) -> None:
        heard.append((snapshot.revision, sum(len(each.endpoints) for each in snapshot.skills)))

    registry = SkillRegistry(SimpleNamespace(client=bus.client), lease_s=LEASE_S, refresh_s=0.1)
    bus.registries.append(registry)
    registry.on_change(listen)
    await registry.start()
    assert heard == [(0, 0)]
    await bus.lease("clock")
    await bus.describe("clock")
    await seen(registry, lambda snapshot: names(snapshot) == ["clock"])
    for _ in range(4):
        await bus.lease("clock")
        await asyncio.sleep(0.1)
    await bus.lease("clock", "two")
    await seen(registry, lambda snapshot: len(snapshot.skills[-1].endpoints) == 2)
    await asyncio.sleep(0.05)
    assert heard == [(0, 0), (1000, 1), (1000, 2)]


async def test_a_callback_that_fails_or_dawdles_holds_up_nobody(bus: Bus) -> None:
    """One callback raises, one sleeps over several changes: the others hear all, the sleeper the newest."""
    slow: list[int] = []
    quick: list[int] = []
    awake = asyncio.Event()

    async def fail(_: RegistrySnapshot) -> None:
        raise ZeroDivisionError

    async def dawdle(snapshot: RegistrySnapshot) -> None:
        await awake.wait()
        slow.append(snapshot.revision)

    async def listen(snapshot: RegistrySnapshot) -> None:
        quick.append(snapshot.revision)

    registry = await bus.registry()
    holding = asyncio.create_task(bus.hold("clock"))
    await bus.describe("clock")
    await seen(registry, lambda snapshot: snapshot.revision == 1000)
    with capture_logs() as logged:
        for callback in (fail, dawdle, listen):
            registry.on_change(callback)
        await asyncio.sleep(0.05)
        for sequence, digest in enumerate("bcd", start=2):
            await bus.describe("clock", digest)
            await seen(registry, lambda snapshot, expected=sequence * 1000: snapshot.revision == expected)
            await asyncio.sleep(0.02)
        awake.set()
        async with asyncio.timeout(10):
            while len(slow) < 2:
                await asyncio.sleep(0.02)
    assert [each["revision"] for each in logged if each["event"] == "registry.callback_failed"] == quick
    assert quick == [1000, 2000, 3000, 4000]
    assert slow == [1000, 4000]
    holding.cancel()


async def test_all_readers_have_the_same_revision(bus: Bus) -> None:
    """A registry that started first and one that started last agree."""
    early = await bus.registry()
    await bus.lease("clock")
    await bus.describe("clock")
    await bus.describe("music")
    await bus.lease("music")
    await seen(early, lambda snapshot: names(snapshot) == ["clock", "music"])
    await bus.skills.delete(description_key("clock", "0.1.0"))
    await seen(early, lambda snapshot: names(snapshot) == ["music"])
    late = await bus.registry()
    assert late.snapshot.revision == early.snapshot.revision == 3000


async def test_a_restart_of_the_bus_unteaches_nothing(bus: Bus) -> None:
    """The set stays while the bus is away, even past the lease, and changes are seen again afterwards."""
    registry = await bus.registry()
    await bus.describe("clock")
    holding = asyncio.create_task(bus.hold("clock"))
    await seen(registry, lambda snapshot: names(snapshot) == ["clock"])
    changes: list[list[str]] = []

    async def listen(snapshot: RegistrySnapshot) -> None:
        changes.append(names(snapshot))

    registry.on_change(listen)
    bus.server.kill()
    await asyncio.sleep(LEASE_S * 1.3)
    bus.server.start()
    await bus.server.ready()
    await asyncio.sleep(LEASE_S)
    assert changes == [["clock"]]
    await bus.lease("music")
    await bus.describe("music")
    await seen(registry, lambda snapshot: names(snapshot) == ["clock", "music"])
    holding.cancel()


async def test_messages_that_never_come_cost_one_refresh(bus: Bus, tmp_path: Path) -> None:
    """A reader that hears nothing of the buckets finds what is new by listing them."""
    config = tmp_path / "deaf.conf"
    config.write_text(
        "authorization { users = ["
        '{user: all, password: all}, {user: deaf, password: deaf, permissions: {subscribe: {deny: ["$KV.>"]}}}] }'
    )
    await bus.client.close()
    bus.server.kill()
    bus.server.config = config
    bus.server.start()
    await bus.server.ready()
    client = await bus.server.connect(user="all", password="all")  # noqa: S106 - made up for this server
    deaf = await bus.server.connect(user="deaf", password="deaf")  # noqa: S106 - made up for this server
    registry = SkillRegistry(SimpleNamespace(client=deaf), refresh_s=0.2)
    await registry.start()
    jetstream = client.jetstream()
    bus.skills = await jetstream.key_value("SKILLS")
    bus.endpoints = await jetstream.key_value("SKILL_ENDPOINTS")
    await bus.lease("clock")
    await bus.describe("clock")
    await seen(registry, lambda snapshot: names(snapshot) == ["clock"], 0.6)
    await registry.stop()
    await deaf.close()
    await client.close()


async def test_what_cannot_be_read_is_left_out(bus: Bus) -> None:
    """A broken entry hides itself and nothing else."""
    await bus.skills.put("clock.0.1.0", b"\xff\xff\xff")
    await bus.skills.put("nonsense", b"")
    await bus.endpoints.put("clock", b"")
    await bus.describe("music")
    await bus.lease("music")
    registry = await bus.registry()
    assert names(registry.snapshot) == ["music"]


async def test_too_many_entries_are_an_error(bus: Bus) -> None:
    """More than the server lists at once is told as such, not shown in part."""
    endpoint = skill_pb2.SkillEndpoint(skill_id="clock").SerializeToString()
    jetstream = bus.client.jetstream()
    await asyncio.gather(*(jetstream.publish(f"$KV.SKILLS.s{number}.1", endpoint) for number in range(1025)))
    with pytest.raises(RegistryUnavailableError, match="413"):
        await list_bucket(bus.client, "SKILLS")


async def test_a_missing_bucket_is_an_error_at_start(bus: Bus) -> None:
    """The error has a code and names the bucket."""
    await bus.client.jetstream().delete_key_value("SKILLS")
    registry = SkillRegistry(SimpleNamespace(client=bus.client), start_timeout_s=0.2)
    with pytest.raises(RegistryUnavailableError, match="SKILLS") as raised:
        await registry.start()
    assert raised.value.code == "registry_unavailable"
    assert raised.value.retryable


async def test_a_hundred_skills_are_listed(bus: Bus) -> None:
    """The listing is whole when it is long."""
    for number in range(100):
        await bus.describe(f"skill{number}")
        await bus.lease(f"skill{number}")
    registry = await bus.registry()
    assert len(names(registry.snapshot)) == 100
