"""One whole run: a stack, the flood, valid turns beside it, and what the books say at the end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nats
import psutil
from nats.errors import Error as NatsError
from nats.js.api import StorageType

from bench.sessions import Session, SpokenSession, Tally, TypedSession
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.rpc_client import connect
from earshot_device import Device, DeviceSettings
from earshot_local.stack import Stack
from earshot_topology.catalog import CHANNELS
from earshot_topology.subjects import DeviceAddress
from fuzz import calls
from fuzz.accounting import Account, Counters
from fuzz.flood import Flood, consumers_of
from rolling.restarting import metric

TEXT, INTENT = "what time is it", "clock.get_time"
ENVIRONMENT = {
    "EARSHOT_ASR_ENGINE": "recorded",
    "EARSHOT_ASR_VAD": "none",
    "EARSHOT_ASR_UTTERANCES": "128",
    # Whoever speaks beside the flood speaks several times a second.
    "EARSHOT_ASR_QUOTA_UTTERANCES": "0",
    "EARSHOT_TTS_ENGINE": "recorded",
    "EARSHOT_LOG_LEVEL": "critical",
}
# What a process may grow by between a third of the flood and its end.
GROWTH_SHARE, GROWTH_MIB = 0.15, 24.0
# nats-server keeps what is stored, until it is too old: an index entry for each message, and memory streams whole. Its
# collector lets the heap double before it looks.
SERVER_GROWTH_MIB, SERVER_KIB_A_MESSAGE = 96.0, 2.0
# One that has grown by more is asked again at rest: caches of blocks are let go after seconds, and Go collects every two
# minutes, at least, and gives back what it does not need. Then there is nothing to allow for but noise.
SERVER_AT_REST_MIB, REST_S = 48.0, 240.0
# The trace store holds what waits for its disk: 20,000 spans at most, of about 4 KiB each as Python has them.
TRACESTORE_GROWTH_MIB = 80.0
_TURN_PAUSE_S = 0.15
# One a locale.
_MODELS = 2

# Shares of the flood, by what a channel is.
_CONSUMED, _KEPT, _HEARD, _ASKED, _TOLD, _CALLED = 0.62, 0.06, 0.08, 0.06, 0.10, 0.07
# The rest: subjects that are not the device's, frames that are too large, connections that speak nonsense.


@dataclass(slots=True)
class Result:
    """What a run gave.

    Attributes:
        accounts: By channel or method.
        crashed: Processes that ended.
        turns: Valid turns beside the flood.
        valid_lost: Those that were not answered rightly.
        replayed_twice: Replayed turns that have more than one outcome.
        memory_mib: By process: resident memory at a third of the flood, and at its end.
        kept: Messages that streams hold at the end.
        kept_in_memory_mib: What memory streams hold of them.
        seconds: How long the flood took.
        rested: Whether nats-server was given time to let go of caches.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    crashed: int = 0
    turns: int = 0
    valid_lost: int = 0
    replayed_twice: int = 0
    memory_mib: dict[str, tuple[float, float]] = field(default_factory=dict)
    kept: int = 0
    kept_in_memory_mib: float = 0.0
    seconds: float = 0.0
    rested: bool = False

    @property
    def sent(self) -> int:
        """How many messages went out."""
        return sum(account.sent for account in self.accounts.values())

    @property
    def unaccounted(self) -> int:
        """How many of them nobody can say anything about."""
        return sum(account.unaccounted for account in self.accounts.values())

    @property
    def grown(self) -> list[str]:
        """Processes that grew by more than they may."""
        return [
            name for name, (before, after) in self.memory_mib.items() if after - before > self._allowed(name, before)
        ]

    def _allowed(self, name: str, before: float) -> float:
        if name.startswith("nats-server") and self.rested:
            return SERVER_AT_REST_MIB
        if name.startswith("nats-server"):
            return SERVER_GROWTH_MIB + 2 * self.kept_in_memory_mib + self.kept * SERVER_KIB_A_MESSAGE / 1024
        if name == "tracestore":
            return TRACESTORE_GROWTH_MIB
        return max(GROWTH_MIB, GROWTH_SHARE * before)


async def run(messages: int, seed: int, say: Callable[[str], None] = lambda _text: None) -> Result:
    """Flood a stack of its own.

    Args:
        messages: How many, about.
        seed: Makes the same flood again.
        say: Told of each part as it is done.
    """
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder) / "recordings.json"
        recordings.write_text(json.dumps({"constant": {"en-US": TEXT}}))
        environment = ENVIRONMENT | {"EARSHOT_ASR_RECORDINGS": str(recordings)}
        # By the end all is counted: nobody waits for the flood's spans, which take longer to export than a process may end.
        async with Stack(home=Path(folder) / "stack", env=environment, grace_s=2.0) as stack:
            await stack.ready()
            await _trained(stack)
            return await _flooded(stack, messages, random.Random(seed), say)


async def _trained(stack: Stack) -> None:
    """Wait until NLU's models are in use: what they take in memory is no growth."""
    if os.environ.get("EARSHOT_NLU_MODEL") != "none":
        async with asyncio.timeout(240):
            while await metric(stack, "nlu-0", "earshot_nlu_train_seconds_count") < _MODELS:
                await asyncio.sleep(0.5)


async def _flooded(stack: Stack, messages: int, rng: random.Random, say: Callable[[str], None]) -> Result:
    result, began = Result(), time.monotonic()
    counters = Counters(_health_urls(stack))
    flood = Flood(stack, rng, counters)
    address = DeviceAddress("told-home", "told-device")
    settings = DeviceSettings(
        nats_url=stack.nats_url,
        household_id=address.household,
        device_id=address.device,
        credentials=stack.device_credentials(*address),
    )
    await flood.open()
    before: dict[str, float] = {}
    pids = {name: child.pid for name, child in stack.processes.items()}
    try:
        async with Device(settings) as device, _valid_turns(stack, result):
            steps = _steps(stack, flood, device, address, messages, rng)
            for number, (name, step) in enumerate(steps):
                if number == len(steps) // 3:
                    before = _memory(stack)
                await step()
                say(f"{time.monotonic() - began:6.1f} s  {name}")
            await flood.settle()
        result.replayed_twice = await _replayed_twice(stack, flood)
        result.turns += 1
        result.valid_lost += not await _answered_in_spite_of_spoiled_state(stack, flood.address)
    finally:
        await flood.close()
    result.seconds = time.monotonic() - began
    result.kept, result.kept_in_memory_mib = await _kept(stack)
    after = _memory(stack)
    result.memory_mib = {name: (mib, after[name]) for name, mib in before.items() if name in after}
    result.accounts = dict(flood.accounts)
    if any(name.startswith("nats-server") for name in result.grown):
        await _rest(stack, result)
    result.crashed = sum(child.restarts for child in stack.processes.values())
    result.crashed += sum(child.pid != pids[name] for name, child in stack.processes.items() if not child.restarts)
    return result


async def _rest(stack: Stack, result: Result) -> None:
    """Let nats-server rest until it is as small as it was; the others' memory stays as it was measured."""
    result.rested = True
    over = time.monotonic() + REST_S
    while time.monotonic() < over and any(name.startswith("nats-server") for name in result.grown):
        await asyncio.sleep(2.0)
        now = _memory(stack)
        for name, (before, _) in result.memory_mib.items():
            if name.startswith("nats-server"):
                result.memory_mib[name] = before, now[name]


def _steps(
    stack: Stack, flood: Flood, device: Device, address: DeviceAddress, messages: int, rng: random.Random
) -> list[tuple[str, Callable[[], object]]]:
    """Return the parts of the flood in a random order, each several times, so that all of them meet."""
    consumed = [channel for channel in CHANNELS if channel.stream and consumers_of(channel)]
    told = [channel for channel in CHANNELS if "device" in channel.receivers]
    asked = [channel for channel in CHANNELS if channel.reply is not None]
    kept = [channel for channel in CHANNELS if channel.stream and channel not in consumed and channel not in told]
    heard = [channel for channel in CHANNELS if channel not in [*consumed, *told, *asked, *kept]]
    running = {name.rsplit("-", 1)[0] for name in stack.processes}
    methods = list(calls.methods(running))
    rounds = 3

    def share(part: float, among: int) -> int:
        return max(1, round(messages * part / among / rounds))

    steps: list[tuple[str, Callable[[], object]]] = []
    for _ in range(rounds):
        steps += [(c.name, _bound(flood.stored, c, share(_CONSUMED, len(consumed)))) for c in consumed]
        steps += [(c.name, _bound(flood.stored, c, share(_KEPT, len(kept)))) for c in kept]
        steps += [(c.name, _bound(flood.heard, c, share(_HEARD, len(heard)))) for c in heard]
        steps += [(c.name, _bound(flood.asked, c, share(_ASKED, len(asked)))) for c in asked]
        steps += [
            (c.name, _bound(flood.told, c, share(_TOLD, len(told)), address, device._router.dropped)) for c in told
        ]
        steps += [
            (m.path, _bound(calls.call, stack, m, share(_CALLED, len(methods)), rng, flood.accounts[m.path]))
            for m in methods
        ]
        steps.append(("foreign subjects", _bound(flood.trespassed, share(0.01, 1))))
        steps.append(("too large for the server", _bound(flood.too_large, share(0.0002, 1))))
        junk = flood.accounts["connections that speak nonsense"]
        steps.append(("nonsense", _bound(calls.junk, stack, share(0.002, 1), rng, junk)))
    rng.shuffle(steps)
    return steps


def _bound(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: function(*arguments)


@asynccontextmanager
async def _valid_turns(stack: Stack, result: Result) -> AsyncIterator[None]:
    """Let a user who speaks and one who types go on with their day meanwhile."""
    speaking = DeviceAddress("valid-home", "speaking")
    typing = DeviceAddress("valid-home-2", "typing")
    over = asyncio.Event()
    tally = Tally()

    async def converse(session: Session) -> None:
        while not over.is_set():
            result.turns += 1
            await session.turn(tally)
            await asyncio.sleep(_TURN_PAUSE_S)

    async with connect(stack.grpc_target("dialogue")) as channel:
        spoken = await SpokenSession.open(stack.nats_url, stack.device_credentials(*speaking), speaking, INTENT)
        sessions: list[Session] = [spoken, TypedSession(typing, channel, TEXT, INTENT)]
        async with asyncio.TaskGroup() as group:
            for session in sessions:
                group.create_task(converse(session))
            try:
                yield
            finally:
                over.set()
        await spoken.close()
    result.valid_lost = tally.lost


async def _answered_in_spite_of_spoiled_state(stack: Stack, address: DeviceAddress) -> bool:
    """Spoil a device's session and shadow, and type a turn for it; tell whether it is answered."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
    for bucket in ("SESSIONS", "DEVICE_STATES"):
        await client.jetstream().publish(f"$KV.{bucket}.{address.household}.{address.device}", b"\xff\xfe spoiled")
    await client.close()
    tally = Tally()
    async with connect(stack.grpc_target("dialogue")) as channel:
        await TypedSession(address, channel, TEXT, INTENT).turn(tally)
    return not tally.lost


async def _replayed_twice(stack: Stack, flood: Flood) -> int:
    """Count replayed turns with more than one outcome id on the ledger."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
    twice = 0
    try:
        for address, turn in flood.replayed:
            ids: set[str] = set()
            try:
                subject = address.turn_outcome(turn)
                info = await client.jetstream().stream_info("OUTCOMES", subjects_filter=subject)
                if not (info.state.subjects or {}).get(subject):
                    continue
                sequence = 1
                while True:
                    found = await client.jetstream().get_msg(
                        "OUTCOMES", seq=sequence, subject=subject, direct=True, next=True
                    )
                    ids.add(outcome_pb2.Outcome.FromString(found.data or b"").outcome_id)
                    sequence = (found.seq or 0) + 1
            except NatsError:
                twice += len(ids) > 1
    finally:
        await client.close()
    return twice


async def _kept(stack: Stack) -> tuple[int, float]:
    """Return how many messages streams hold, and how many MiB memory streams do."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
    infos = await client.jetstream().streams_info()
    await client.close()
    in_memory = sum(info.state.bytes for info in infos if info.config.storage is StorageType.MEMORY)
    return sum(info.state.messages for info in infos), in_memory / 2**20


def _health_urls(stack: Stack) -> list[str]:
    services = {name.rsplit("-", 1)[0] for name in stack.processes} - {"tracestore", "nats", "weather"}
    urls = []
    for service in sorted(services):
        try:
            urls.append(stack.http(service))
        except KeyError:
            continue
    return urls


def _memory(stack: Stack) -> dict[str, float]:
    return {
        name: psutil.Process(child.pid).memory_info().rss / 2**20
        for name, child in stack.processes.items()
        if child.pid is not None
    }
