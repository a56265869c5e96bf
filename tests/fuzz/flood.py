"""Sends the flood and keeps the books: one function for each way in.

The flood is paced by what its receivers have not settled yet, so that it tests what they do with bad messages and not how
long a queue may become; floods that are too many are `tests/quotas`' matter.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import nats
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from earshot_local.stack import Stack
from earshot_topology.catalog import CHANNELS, Channel
from earshot_topology.permissions import device_inbox
from earshot_topology.streams import CONSUMERS, Consumer
from earshot_topology.subjects import DeviceAddress
from fuzz import plausible
from fuzz.accounting import Account, Counters, unreadable_parked
from fuzz.mutations import STREAM_LIMIT, Spoiled, Spoiler

_IN_FLIGHT = 128
_BACKLOG = 400
_REQUEST_S = 8.0
# A start that can be read is an utterance that a worker owns until its frames stay away: a few are enough.
_MOST_STARTS = 30
_REPEATS = 3


def consumers_of(channel: Channel) -> tuple[Consumer, ...]:
    """Return the consumers that read a channel."""
    example = channel.address.replace("{", "").replace("}", "").split(".")
    return tuple(
        consumer
        for consumer in CONSUMERS
        if consumer.stream == channel.stream and _matches(consumer.filter_subject.split("."), example)
    )


def _matches(pattern: Sequence[str], subject: Sequence[str]) -> bool:
    if pattern and pattern[-1] == ">":
        return _matches(pattern[:-1], subject[: len(pattern) - 1])
    return len(pattern) == len(subject) and all(p in {"*", s} for p, s in zip(pattern, subject, strict=True))


class Flood:
    """Everything that goes over the bus.

    Args:
        stack: A running stack with one replica of every service.
        rng: Where chance comes from.
        counters: The services' counters.
    """

    def __init__(self, stack: Stack, rng: random.Random, counters: Counters) -> None:
        self.accounts: dict[str, Account] = defaultdict(Account)
        self.replayed: list[tuple[DeviceAddress, str]] = []
        self._stack = stack
        self._rng = rng
        self._counters = counters
        self._spoiler = Spoiler(rng, [channel.message for channel in CHANNELS])
        self.address = DeviceAddress("fuzz-home", "fuzz-device")
        self._admin: Client
        self._device: Client
        self._starts = 0
        self._consumers: dict[str, tuple[Consumer, ...]] = {}
        self._before: Counter[tuple[str, str, str]] = Counter()
        self._violations = 0
        self._pending: dict[str, tuple[Account, bool]] = {}
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._inboxes: dict[Client, str] = {}

    async def open(self) -> None:
        """Connect as an administrator and as a device."""
        self._before = await self._counters.read()
        self._admin = await nats.connect(
            self._stack.nats_url, user_credentials=str(self._stack.creds("admin")), pending_size=64 << 20
        )
        self._device = await self._connect_device(self._stack.device_credentials(*self.address))
        for client, inbox in (
            (self._admin, "_INBOX.fuzz"),
            (self._device, f"{device_inbox(*self.address)}.fuzz"),
        ):
            await client.subscribe(f"{inbox}.*", cb=self._acknowledged)
            await client.flush()
            self._inboxes[client] = inbox

    async def close(self) -> None:
        """Disconnect."""
        await self._admin.close()
        await self._device.close()

    async def _connect_device(self, credentials: Path) -> Client:
        async def heard(error: Exception) -> None:
            if "permissions violation" in str(error).lower():
                self._violations += 1

        return await nats.connect(
            self._stack.nats_url,
            user_credentials=str(credentials),
            inbox_prefix=device_inbox(*self.address),
            error_cb=heard,
            pending_size=64 << 20,
        )

    # Ways in.

    async def stored(self, channel: Channel, count: int) -> None:
        """Spoil what a stream or bucket takes; `settle` reads what became of it."""
        account = self.accounts[channel.name]
        consumers = self._consumers[channel.name] = consumers_of(channel)
        account.receivers = len(consumers)
        for number in range(count):
            turn = self._turn()
            good = plausible.message(channel.message, self.address, turn, self._rng)
            subject = plausible.subject(channel, self.address, turn, self._rng)
            await self._store(channel, subject, self._spoiled(channel, good), account)
            if number % 40 == 0 and not self._is_start(channel):
                await self._replay(channel, turn, account)
            if number % 200 == 0:
                await self._room(consumers)
        await self._answered()

    async def settle(self) -> None:
        """Wait until consumers have settled what was stored, and read what they say of it."""
        for name, consumers in self._consumers.items():
            self.accounts[name].left = await self._settled(consumers)
        after = await self._counters.read()
        for name, consumers in self._consumers.items():
            self.accounts[name].noted = sum(
                unreadable_parked(after, consumer.durable) - unreadable_parked(self._before, consumer.durable)
                for consumer in consumers
            )

    async def heard(self, channel: Channel, count: int) -> None:
        """Spoil what services hear on core subjects."""
        account = self.accounts[channel.name]
        account.receivers = 1
        for number in range(count):
            turn = self._turn()
            good = plausible.message(channel.message, self.address, turn, self._rng)
            spoiled = self._spoiler.spoil(good)
            account.sent += 1
            await self._admin.publish(
                plausible.subject(channel, self.address, turn, self._rng),
                spoiled.payload,
                headers=spoiled.headers or None,
            )
            account.taken += 1
            account.unreadable += not spoiled.readable(channel.message)
            if number % 200 == 0:
                await self._admin.flush()
        await self._admin.flush()
        name = channel.message.DESCRIPTOR.name
        for _ in range(100):
            now = await self._counters.read()
            account.noted = now["malformed", name, ""] - self._before["malformed", name, ""]
            if not account.unaccounted:
                return
            await asyncio.sleep(0.1)

    async def told(self, channel: Channel, count: int, address: DeviceAddress, dropped: Counter[str]) -> None:
        """Spoil what a device is told.

        Args:
            channel: One of a device's down subjects.
            count: How many.
            address: A device that is open.
            dropped: Its own counter.
        """
        account, before = self.accounts[channel.name], dropped["malformed"] - self.accounts[channel.name].noted
        account.receivers = 1
        for number in range(count):
            turn = self._turn()
            good = plausible.message(channel.message, address, turn, self._rng)
            spoiled = self._spoiler.spoil(good)
            account.sent += 1
            subject = plausible.subject(channel, address, turn, self._rng)
            await self._admin.publish(subject, spoiled.payload)
            account.taken += 1
            # A device looks at bytes alone.
            account.unreadable += not Spoiled(mutation="", payload=spoiled.payload, headers={}).readable(
                channel.message
            )
            if number % 100 == 0:
                await self._admin.flush()
                await asyncio.sleep(0)
        await self._admin.flush()
        for _ in range(100):
            account.noted = dropped["malformed"] - before
            if not account.unaccounted:
                return
            await asyncio.sleep(0.1)

    async def asked(self, channel: Channel, count: int) -> None:
        """Spoil requests: each is answered, with an error or without."""
        account = self.accounts[channel.name]

        async def ask(spoiled: Spoiled, subject: str) -> None:
            try:
                reply = await self._device.request(
                    subject, spoiled.payload, timeout=_REQUEST_S, headers=spoiled.headers or None
                )
            except (NatsError, OSError, TimeoutError):
                account.unanswered += 1
                return
            code = (reply.headers or {}).get("error-code")
            if code == "internal":
                account.unanswered += 1
            elif code:
                account.refused[code] += 1
            elif spoiled.readable(channel.message):
                account.answered += 1
            else:
                account.unanswered += 1

        async with asyncio.TaskGroup() as group:
            room = asyncio.Semaphore(32)
            for _ in range(count):
                turn = self._turn()
                good = plausible.message(channel.message, self.address, turn, self._rng)
                spoiled = self._spoiler.spoil(good)
                account.sent += 1
                await room.acquire()
                task = group.create_task(ask(spoiled, plausible.subject(channel, self.address, turn, self._rng)))
                task.add_done_callback(lambda _task: room.release())

    async def trespassed(self, count: int) -> None:
        """Publish as a device where a device may not: the server refuses each."""
        account = self.accounts["foreign subjects"]
        other = DeviceAddress("other-home", "other-device")
        subjects = (
            other.event(), other.started("en-US", "stable"), other.outcome("t"), "turn.transcribed",
            f"turn.outcome.{other.turn_key('t')}", "$JS.API.STREAM.DELETE.OUTCOMES", "$KV.SESSIONS.a.b", "parked.asr._",
        )  # fmt: skip
        for number in range(count):
            await self._device.publish(subjects[number % len(subjects)], self._rng.randbytes(30))
            account.sent += 1
            if number % 100 == 0:
                await self._device.flush()
        await self._device.flush()
        for _ in range(100):
            account.refused["not_permitted"] = self._violations
            if not account.unaccounted:
                return
            await asyncio.sleep(0.05)

    async def too_large(self, count: int) -> None:
        """Hand over more than the server takes: its own limit, a device's, and 10 MB in one frame."""
        account = self.accounts["too large for the server"]
        for _ in range(count):
            account.sent += 2
            try:
                await self._device.publish(self.address.event(), bytes(10 << 20))
            except MaxPayloadError:
                account.refused["message_too_large"] += 1
            # The server doesn't tell a device its own limit, and hangs up on who exceeds it.
            rude = await self._connect_device(self._stack.device_credentials(*self.address))
            await rude.publish(self.address.event(), bytes(STREAM_LIMIT + 1))
            for _ in range(200):
                if rude.is_closed:
                    break
                await asyncio.sleep(0.02)
            account.refused["connection closed"] += rude.is_closed
            await rude.close()

    # One message.

    def _spoiled(self, channel: Channel, good: Message) -> Spoiled:
        if self._rng.random() < 0.02 and "device" not in channel.senders:
            return self._spoiler.oversized(good)
        spoiled = self._spoiler.spoil(good)
        if self._is_start(channel) and spoiled.readable(channel.message):
            if self._starts >= _MOST_STARTS:
                return self._spoiler.unreadable(good)
            self._starts += 1
        return spoiled

    @staticmethod
    def _is_start(channel: Channel) -> bool:
        return channel.name == "utteranceStarted"

    async def _replay(self, channel: Channel, turn: str, account: Account) -> None:
        """Send one believable message three times over."""
        good = plausible.message(channel.message, self.address, turn, self._rng)
        subject = plausible.subject(channel, self.address, turn, self._rng)
        if channel.name in {"turnTranscribed", "turnInterpreted"}:
            self.replayed.append((self.address, turn))
        for _ in range(_REPEATS):
            again = Spoiled(mutation="replayed", payload=good.SerializeToString(), headers={})
            await self._store(channel, subject, again, account)

    async def _store(self, channel: Channel, subject: str, spoiled: Spoiled, account: Account) -> None:
        client = self._device if "device" in channel.senders else self._admin
        await self._slots.acquire()
        number = f"{len(self._pending)}-{self._rng.getrandbits(48):x}"
        reply = f"{self._inboxes[client]}.{number}"
        account.sent += 1
        self._pending[number] = (account, not spoiled.readable(channel.message))
        await client.publish(subject, spoiled.payload, reply=reply, headers=spoiled.headers or None)

    async def _acknowledged(self, message: Msg) -> None:
        account, unreadable = self._pending.pop(message.subject.rsplit(".", 1)[-1])
        self._slots.release()
        told = json.loads(message.data) if message.data else {"error": {"err_code": "no stream"}}
        if "error" in told:
            account.refused[str(told["error"].get("err_code"))] += 1
        else:
            account.taken += 1
            account.unreadable += unreadable and not told.get("duplicate", False)

    async def _answered(self) -> None:
        """Wait until every publication has its acknowledgement."""
        for client in self._inboxes:
            await client.flush()
        for _ in range(200):
            if not self._pending:
                return
            await asyncio.sleep(0.05)
        for account, _ in self._pending.values():
            account.unanswered += 1
        self._pending.clear()

    # Pace.

    async def _room(self, consumers: Sequence[Consumer]) -> None:
        while await self._waiting(consumers) > _BACKLOG:
            await asyncio.sleep(0.05)

    async def _settled(self, consumers: Sequence[Consumer]) -> int:
        """Wait until the consumers have settled everything; return what is left after two minutes."""
        for _ in range(600):
            if not (left := await self._waiting(consumers)):
                return 0
            await asyncio.sleep(0.2)
        return left

    async def _waiting(self, consumers: Sequence[Consumer]) -> int:
        waiting = 0
        for consumer in consumers:
            info = await self._admin.jetstream().consumer_info(consumer.stream, consumer.durable)
            waiting += (info.num_pending or 0) + (info.num_ack_pending or 0)
        return waiting

    def _turn(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
