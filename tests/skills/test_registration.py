"""A replica makes itself known and unknown, whatever happens to the bus and to its siblings."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from nats.aio.client import Client
from nats.js.api import KeyValueConfig

from earshot.skill.v1 import skill_pb2
from earshot_chassis.tasks import end
from earshot_registry import RegistrySnapshot, SkillRegistry
from earshot_skillkit.registration import Registration
from support.nats import NatsServer, nats_server

LEASE_S = 0.9


@dataclass(slots=True)
class Bus:
    """A bus with short leases, a registry on it, and replicas."""

    server: NatsServer
    client: Client
    registry: SkillRegistry
    revisions: list[int] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def replica(self, instance: str, digest: str = "a") -> tuple[Registration, asyncio.Task[None]]:
        """Register a replica of the clock and keep it registered."""
        description = skill_pb2.SkillDescription(skill_id="clock", version="1.0.0", digest=digest)
        connected = SimpleNamespace(
            client=self.client, jetstream=self.client.jetstream(timeout=0.5), jetstream_api="$JS.API"
        )
        registration = Registration(connected, description, lease_s=LEASE_S)  # type: ignore[arg-type]
        endpoint = skill_pb2.SkillEndpoint(skill_id="clock", version="1.0.0", instance_id=instance)
        task = asyncio.create_task(registration.keep(endpoint))
        self.tasks.append(task)
        return registration, task

    async def buckets(self) -> None:
        """Make the buckets."""
        jetstream = self.client.jetstream()
        await jetstream.create_key_value(KeyValueConfig(bucket="SKILLS", direct=True))
        await jetstream.create_key_value(KeyValueConfig(bucket="SKILL_ENDPOINTS", direct=True, ttl=LEASE_S))

    async def connected(self) -> None:
        """Wait until the connection has been lost and is there again."""
        async with asyncio.timeout(5):
            while not self.client.stats["reconnects"] or not self.client.is_connected:
                await asyncio.sleep(0.05)

    async def until(self, instances: list[str], within_s: float = 2.0) -> None:
        """Wait until these replicas, and no others, are live."""
        await self.until_so(lambda snapshot: live(snapshot) == instances, within_s)

    async def until_so(self, holds: Callable[[RegistrySnapshot], bool], within_s: float = 2.0) -> None:
        """Wait until the snapshot is so."""
        async with asyncio.timeout(within_s):
            while not holds(self.registry.snapshot):
                await asyncio.sleep(0.01)


def live(snapshot: RegistrySnapshot) -> list[str]:
    """Return the live replicas."""
    return [endpoint.instance_id for skill in snapshot.skills for endpoint in skill.endpoints]


async def stop(task: asyncio.Task[None]) -> None:
    """Stop renewing, as a crash does."""
    assert not await end([task], 20)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    """Run a bus and a registry."""
    async with nats_server(tmp_path / "nats", streams=False) as server:
        client = await server.connect()
        registry = SkillRegistry(SimpleNamespace(client=client), lease_s=LEASE_S, refresh_s=0.2)
        running = Bus(server, client, registry)
        await running.buckets()

        async def note(snapshot: RegistrySnapshot) -> None:
            running.revisions.append(snapshot.revision)

        registry.on_change(note)
        await registry.start()
        yield running
        for task in running.tasks:
            await stop(task)
        await registry.stop()
        await client.close()
        assert running.revisions == sorted(running.revisions)


async def test_a_lease_outlives_its_time_by_being_renewed(bus: Bus) -> None:
    """A replica stays while it renews, and readiness says that its lease holds."""
    registration, _ = bus.replica("one")
    assert registration.overdue()
    await bus.until(["one"])
    await asyncio.sleep(LEASE_S * 2)
    assert live(bus.registry.snapshot) == ["one"]
    assert not registration.overdue()
    # Registered, and nothing else: renewals were not told.
    assert bus.revisions == [0, 1000]


async def test_a_crash_is_seen_when_the_lease_ends(bus: Bus) -> None:
    """A replica that stops without a word is gone after its lease."""
    _, task = bus.replica("one")
    await bus.until(["one"])
    await stop(task)
    await bus.until([], LEASE_S + 2)


async def test_the_description_stays_while_a_sibling_lives(bus: Bus) -> None:
    """The first of two to withdraw leaves the description, the last takes it along."""
    first, first_task = bus.replica("one")
    await bus.until(["one"])
    second, second_task = bus.replica("two")
    await bus.until(["one", "two"])
    await stop(first_task)
    await first.withdraw()
    await bus.until(["two"], 0.5)
    assert bus.registry.snapshot.revision == 1000
    await stop(second_task)
    await second.withdraw()
    await bus.until([], 0.5)
    assert bus.registry.snapshot.revision == 2000


async def test_a_withdrawn_version_leaves_nothing_for_ever(bus: Bus) -> None:
    """The marker that is left has a time to live."""
    registration, task = bus.replica("one")
    await bus.until(["one"])
    await stop(task)
    await registration.withdraw()
    marker = await bus.client.jetstream().get_last_msg("KV_SKILLS", "$KV.SKILLS.clock.1.0.0")
    assert marker.headers is not None
    assert marker.headers["KV-Operation"] == "PURGE"
    assert int(marker.headers["Nats-TTL"]) == 3600


async def test_new_words_are_told(bus: Bus) -> None:
    """A replica whose description differs replaces it, beside one that is still running."""
    bus.replica("one")
    await bus.until(["one"])
    bus.replica("two", digest="b")
    await bus.until_so(lambda snapshot: snapshot.skills[-1].description.digest == "b")
    assert bus.registry.snapshot.revision == 2000


async def test_a_bus_that_forgot_everything_is_told_again(bus: Bus) -> None:
    """After a restart with empty storage the replica registers anew."""
    registration, _ = bus.replica("one")
    await bus.until(["one"])
    bus.server.kill()
    await asyncio.sleep(LEASE_S)
    shutil.rmtree(bus.server.storage)
    bus.server.start()
    await bus.server.ready()
    await bus.connected()
    await bus.buckets()
    await asyncio.sleep(LEASE_S * 1.5)
    assert live(bus.registry.snapshot) == ["one"]
    assert not registration.overdue()


async def test_a_description_that_somebody_deleted_comes_back(bus: Bus) -> None:
    """The next renewal writes it again."""
    bus.replica("one")
    await bus.until(["one"])
    skills = await bus.client.jetstream().key_value("SKILLS")
    await skills.delete("clock.1.0.0")
    await bus.until([], 0.5)
    await bus.until(["one"], LEASE_S)


async def test_withdrawing_from_a_bus_that_is_away_gives_up(bus: Bus) -> None:
    """A drain never hangs on the bus."""
    registration, task = bus.replica("one")
    await bus.until(["one"])
    await stop(task)
    bus.server.kill()
    async with asyncio.timeout(5):
        await registration.withdraw()
    bus.server.start()
    await bus.server.ready()
    await bus.connected()
