"""The raw consumer path: one standing pull request on a durable, for as many messages as there are free slots.

A request asks for a batch; the server sends messages as they come, without another round trip, until the batch is full or
the request expires. One request stands at a time, so what is on its way to us never exceeds the free slots, and nothing
waits here while another replica is idle. At a stop no new request is made and the last one is left to expire: cancelling
it could strand a message that is already on its way, for the length of the ack wait. On a busy machine it expires later at
the server than here, so what is on its way when we leave is still taken.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from earshot_chassis import tasks, telemetry
from earshot_chassis.consuming import HAND_OVER_S, REQUEST, Consuming, DurableConsumer

# How much longer than it stands a request is waited for before it is taken for lost with a server.
_LATE_S = 0.4
# A worker that leaves gives a busy server longer: a message for a request that still stands there would be stranded.
_LAST_ENDS_S = 3.0
_TROUBLE_PAUSE_S = 0.2
# How long leaving may take: one round trip, behind which nothing more can come.
_LEAVE_S = 1.0

# "No messages" and "request timeout": how a request ends when there is nothing to do.
_QUIET = frozenset({"404", "408"})
_log = telemetry.logger("bus")


class PullWorker:
    """Consumes one durable with a bounded number of messages in progress.

    Args:
        client: The connection.
        consumer: Declared durable.
        consuming: What handles and settles a message.
        concurrency: Messages in progress at once.
    """

    def __init__(self, client: Client, consumer: DurableConsumer, consuming: Consuming, concurrency: int) -> None:
        self.consumer = consumer
        self._client = client
        self._consuming = consuming
        self._free = concurrency
        self._remaining = 0
        self._request = 0
        self._ended = asyncio.Event()
        self._freed = asyncio.Event()
        self._stopping = False
        self._trouble = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        # Also how long a stop waits for an idle worker.
        self._stands_s = consumer.ack_wait_s * REQUEST
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.durable}"

    @property
    def alive(self) -> bool:
        """Whether it goes on asking for messages."""
        return self._loop is not None and not self._loop.done()

    async def start(self) -> None:
        """Begin to consume."""
        reply = self._client.new_inbox()
        subscription = await self._subscribe(f"{reply}.*")
        self._loop = asyncio.get_running_loop().create_task(self._run(reply, subscription))

    async def stop(self, timeout_s: float) -> None:
        """Ask for no more; wait for what is in progress, at most timeout_s, then cancel it."""
        give_up = time.monotonic() + timeout_s
        self._stopping = True
        self._freed.set()
        if self._loop is not None:
            await asyncio.wait({self._loop}, timeout=_LAST_ENDS_S + _LEAVE_S)
            await tasks.end([self._loop], HAND_OVER_S)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=max(0.0, give_up - time.monotonic()))
        await tasks.end(self._tasks, HAND_OVER_S)

    async def _run(self, reply: str, subscription: Subscription) -> None:
        while not self._stopping:
            # Below nothing: a server that was frozen answers a request that was given up, and the one after it.
            if self._free <= 0:
                self._freed.clear()
                await self._freed.wait()
                continue
            await self._ask(reply)
            if self._trouble:
                _log.warning("pull_failed", consumer=self.consumer.durable, error=self._trouble)
                self._trouble = ""
                await asyncio.sleep(_TROUBLE_PAUSE_S)
        await self._leave(subscription)

    async def _leave(self, subscription: Subscription) -> None:
        with suppress(NatsError, OSError, TimeoutError):
            if self._client.is_connected:
                # Not `unsubscribe`, which drops what comes before the server has heard of it.
                async with asyncio.timeout(_LEAVE_S):
                    await subscription.drain()  # type: ignore[no-untyped-call]
            else:
                await subscription.unsubscribe()

    async def _ask(self, reply: str) -> None:
        """Let one request stand until it ends."""
        self._remaining = self._free
        self._request += 1
        self._ended.clear()
        asked_at = time.monotonic()
        asked = json.dumps({"batch": self._remaining, "expires": int(self._stands_s * 1e9)}).encode()
        try:
            await self._client.publish(self._subject, asked, reply=f"{reply}.{self._request}")
            await asyncio.wait_for(self._ended.wait(), self._stands_s + _LATE_S)
        except TimeoutError:
            if self._stopping and self._client.is_connected:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), asked_at + _LAST_ENDS_S - time.monotonic())
        except (NatsError, OSError) as error:
            self._trouble = type(error).__name__

    async def _subscribe(self, subject: str) -> Subscription:
        return await self._client.subscribe(subject, cb=self._arrived)

    async def _arrived(self, raw: Msg) -> None:
        self._received(raw)

    def _received(self, raw: Msg) -> None:
        if not raw.reply:
            # A message of a stream has an acknowledgement subject; this is a word about the request.
            if not raw.subject.endswith(f".{self._request}"):
                return
            status = (raw.headers or {}).get("Status", "")
            if status not in _QUIET:
                self._trouble = f"{status} {(raw.headers or {}).get('Description', '')}".strip()
            self._ended.set()
            return
        self._free -= 1
        self._remaining -= 1
        if self._remaining <= 0:
            self._ended.set()
        self._take(raw)

    def _take(self, raw: Msg) -> None:
        task = asyncio.get_running_loop().create_task(self._consuming.consume(raw))
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free += 1
        self._freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("worker_task_failed", consumer=self.consumer.durable, exc_info=error)
