"""One sample of everything that could grow, from outside: the operating system, /metrics, and the bus's own account."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

import nats
import psutil
from nats.aio.client import Client

from earshot_local.stack import Stack
from endurance.judging import Kind, Series
from rolling.restarting import metric

SERVER: Final = "nats-server"
# What a turn leaves in these streams goes when it is over, or a minute later. The others keep by design: an outcome for an
# hour, a device's state for ever.
PASSING: Final = ("AUDIO", "SPEECH", "DEADLINES", "TURNS", "UTTERANCES", "DEVICE_EVENTS", "PARKED")
_MIB: Final = 1 << 20
_SETTLED_S: Final = 20.0
_KEPT_S: Final = 60.0

Figures = dict[tuple[str, str, Kind], float]


@dataclass(slots=True)
class Gatherer:
    """Takes samples of a stack.

    Attributes:
        stack: It runs.
        client: A connection to the server's own account.
        samples: The number of turns at each sample, and what was found then.
    """

    stack: Stack
    client: Client
    samples: list[tuple[int, Figures]] = field(default_factory=list)
    _times: list[tuple[float, int]] = field(default_factory=list)

    @classmethod
    async def of(cls, stack: Stack) -> Gatherer:
        """Connect."""
        return cls(stack, await nats.connect(stack.nats_url, user_credentials=str(stack.creds("system"))))

    async def close(self) -> None:
        """Disconnect."""
        await self.client.close()

    async def sample(self, turns: int) -> None:
        """Wait until nothing is in progress, then take a sample."""
        await self._settled()
        found: Figures = {}
        for name, child in self.stack.processes.items():
            assert child.pid is not None, f"{name} does not run"
            process = psutil.Process(child.pid)
            memory = Kind.SERVER_MEMORY if name == SERVER else Kind.MEMORY
            found[name, "rss MiB", memory] = process.memory_info().rss / _MIB
            found[name, "fds", Kind.COUNT] = process.num_fds()
        for service in self._services():
            found[service, "tasks", Kind.COUNT] = await metric(self.stack, service, "earshot_process_tasks")
        found |= await self._bus()
        recent = self._recent(turns)
        for stream in PASSING:
            key = (stream, "messages/turn", Kind.MESSAGES)
            found[key] /= recent
        self.samples.append((turns, found))

    async def kick(self, prefix: str) -> int:
        """Have the server hang up on every client whose name begins so; return how many there were."""
        connections, server = await self._ask("CONNZ")
        kicked = [each for each in connections["connections"] if str(each.get("name", "")).startswith(prefix)]
        for each in kicked:
            subject = f"$SYS.REQ.SERVER.{server}.KICK"
            await self.client.request(subject, json.dumps({"cid": each["cid"]}).encode(), timeout=5)
        return len(kicked)

    def series(self) -> list[Series]:
        """Return what was gathered."""
        found: dict[tuple[str, str, Kind], list[tuple[int, float]]] = defaultdict(list)
        for turns, figures in self.samples:
            for key, value in figures.items():
                found[key].append((turns, value))
        return [
            Series(of=of, name=name, kind=kind, turns=[t for t, _ in points], values=[v for _, v in points])
            for (of, name, kind), points in found.items()
        ]

    def _services(self) -> list[str]:
        return [name for name in self.stack.processes if name != SERVER]

    def _recent(self, turns: int) -> int:
        """Return how many turns there were in the last minute; all of them, in the first one."""
        now = time.monotonic()
        before = [count for at, count in self._times if at < now - _KEPT_S]
        self._times.append((now, turns))
        return max(1, turns - (before[-1] if before else 0))

    async def _bus(self) -> Figures:
        general, _ = await self._ask("VARZ")
        subscriptions, _ = await self._ask("SUBSZ")
        jetstream, _ = await self._ask("JSZ", accounts=True, streams=True, consumers=True)
        found: Figures = {
            (SERVER, "connections", Kind.COUNT): general["connections"],
            (SERVER, "subscriptions", Kind.COUNT): subscriptions["num_subscriptions"],
            (SERVER, "consumers", Kind.COUNT): jetstream["consumers"],
            (SERVER, "streams", Kind.COUNT): jetstream["streams"],
        }
        for stream in _streams(jetstream):
            if stream["name"] in PASSING:
                found[stream["name"], "messages/turn", Kind.MESSAGES] = stream["state"]["messages"]
        waiting = sum(
            consumer["num_pending"] + consumer["num_ack_pending"]
            for stream in _streams(jetstream)
            for consumer in stream.get("consumer_detail") or ()
        )
        found[SERVER, "pending", Kind.COUNT] = waiting
        return found

    async def _settled(self) -> None:
        async with asyncio.timeout(_SETTLED_S):
            while True:
                bus = await self._bus()
                if not bus[SERVER, "pending", Kind.COUNT]:
                    return
                await asyncio.sleep(0.1)

    async def _ask(self, what: str, **options: Any) -> tuple[dict[str, Any], str]:
        asked = json.dumps({"limit": 1024, **options}).encode()
        answer = json.loads((await self.client.request(f"$SYS.REQ.SERVER.PING.{what}", asked, timeout=5)).data)
        return answer["data"], answer["server"]["id"]


def _streams(jetstream: dict[str, Any]) -> list[dict[str, Any]]:
    return [stream for account in jetstream.get("account_details", ()) for stream in account.get("stream_detail", ())]
