"""The AUDIO stream: every frame that devices sent lately, whoever was listening.

Reads are batched direct gets: one request returns all stored frames of a subject, without a consumer. Replies of all
reads of a worker come to one inbox and are told apart by its last token, so a read costs one publish.

Purges are put off by some seconds and nobody waits for them: frames that a device still sends until it hears of the
endpoint go with the rest, and a purge that is lost costs memory until the stream's max_age, nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from earshot_chassis import telemetry
from earshot_chassis.sink import Sink

BATCH: Final = 1_000
PURGE_AFTER_S: Final = 5.0
_QUIET_S: Final = 2.0
_STREAM: Final = "AUDIO"
_log = telemetry.logger("capture")


class Capture:
    """Reads and purges captured frames."""

    def __init__(self, client: Client, *, purge_after_s: float = PURGE_AFTER_S) -> None:
        self._client = client
        self._purge_after_s = purge_after_s
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._reads: dict[str, _Read] = {}
        self._tokens = count()
        self._purges: deque[tuple[float, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._purging: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe to the replies."""
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", future=Sink(self._on_reply))

    async def stop(self) -> None:
        """Purge what is due and leave."""
        if self._timer is not None:
            self._timer.cancel()
        if self._purging is not None:
            await self._purging
        await self._purge([subject for _, subject in self._purges])
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def read(self, subject: str, deliver: Callable[[bytes], None]) -> bool:
        """Hand every stored frame of a subject to `deliver`, oldest first.

        Returns:
            Whether all there is was read; False when the stream did not answer, which is worth another try later.
        """
        sequence: int | None = 1
        while sequence is not None:
            token = str(next(self._tokens))
            read = _Read(deliver)
            self._reads[token] = read
            request = json.dumps({"seq": sequence, "next_by_subj": subject, "batch": BATCH}).encode()
            try:
                await self._client.publish(f"$JS.API.DIRECT.GET.{_STREAM}", request, reply=f"{self._inbox}.{token}")
                if not await read.finished(_QUIET_S):
                    return False
            except NatsError:
                return False
            finally:
                del self._reads[token]
            sequence = read.continue_at
        return True

    def purge_later(self, subject: str) -> None:
        """Forget a subject's frames in some seconds."""
        loop = asyncio.get_running_loop()
        self._purges.append((loop.time() + self._purge_after_s, subject))
        if self._timer is None:
            self._timer = loop.call_later(self._purge_after_s, self._purge_due)

    def _purge_due(self) -> None:
        loop = asyncio.get_running_loop()
        due = []
        while self._purges and self._purges[0][0] <= loop.time() + 0.5:
            due.append(self._purges.popleft()[1])
        self._timer = loop.call_later(self._purge_after_s, self._purge_due) if self._purges else None
        if due:
            self._purging = loop.create_task(self._purge(due))

    async def _purge(self, subjects: list[str]) -> None:
        try:
            for subject in subjects:
                # Without a reply subject the server purges and says nothing.
                request = json.dumps({"filter": subject}).encode()
                await self._client.publish(f"$JS.API.STREAM.PURGE.{_STREAM}", request)
        except NatsError as error:
            _log.warning("purge_failed", error=type(error).__name__)

    def _on_reply(self, message: Msg) -> None:
        read = self._reads.get(message.subject.rsplit(".", 1)[-1])
        if read is not None:
            read.on_reply(message)


class _Read:
    """One batched direct get."""

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        self._deliver = deliver
        self._done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._last_sequence = 0
        self._replies = 0
        self._timer: asyncio.TimerHandle
        self.continue_at: int | None = None

    async def finished(self, quiet_s: float) -> bool:
        """Wait for the end of the batch, as long as replies keep coming; return whether it came."""
        self._watch(quiet_s, -1)
        try:
            return await self._done
        finally:
            self._timer.cancel()

    def _watch(self, quiet_s: float, replies: int) -> None:
        if self._replies == replies:
            if not self._done.done():
                self._done.set_result(False)
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(quiet_s, self._watch, quiet_s, self._replies)

    def on_reply(self, message: Msg) -> None:
        self._replies += 1
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            self._last_sequence = int(headers["Nats-Sequence"])
            self._deliver(message.data)
            return
        if self._done.done():
            return
        # 204 ends a batch, 404 says that there is nothing; anything else is an error of the stream.
        if status == "204" and int(headers.get("Nats-Num-Pending", "0")) > 0:
            self.continue_at = self._last_sequence + 1
        if status not in {"204", "404"}:
            _log.warning("capture_read_failed", status=status)
        self._done.set_result(status in {"204", "404"})
