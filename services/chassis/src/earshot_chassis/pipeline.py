"""Many requests in flight at once, from one task: each costs its bytes and a place in a dictionary.

A request through nats-py costs a future, a timer and a task switch or two. Where thousands are made within a second, all
answers come to one inbox, are told apart by its last token and are taken in the connection's own read loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from earshot_chassis.buckets import Entry
from earshot_chassis.errors import EarshotError, OverloadedError, RetryableError
from earshot_chassis.publishing import STORAGE_FULL, Stored, raise_unless_retryable
from earshot_chassis.sink import Sink

# So many publishes are made before the connection may write them out.
_BREATH = 64
# How long a copy that lacks something is given before it is asked again.
_LAGGING_S = 0.02
_END = frozenset({"204", "404"})
_DELETED = ("KV-Operation", "Nats-Marker-Reason")


@dataclass(frozen=True, slots=True)
class Write:
    """One message to be stored."""

    subject: str
    payload: bytes
    headers: dict[str, str]


class Pipeline:
    """Requests of one service that are made many at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._tokens = count()
        self._waiting: dict[str, Callable[[Msg], None]] = {}
        self._open: set[asyncio.Event] = set()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Subscribe to the answers."""
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", future=Sink(self._answered))

    async def stop(self) -> None:
        """Leave."""
        if self._subscription is not None:
            with suppress(NatsError):
                await self._subscription.unsubscribe()

    async def reconnected(self) -> None:
        """Give up what was asked on a connection that is lost: its answers went there, and waiting for them delays a repetition."""
        for done in self._open:
            done.set()

    async def store(self, writes: Sequence[Write], *, timeout_s: float = 2.0) -> list[Stored | EarshotError]:
        """Store messages; return for each its acknowledgement, or why there is none.

        Nothing is tried twice: what is not acknowledged in time may be stored all the same.
        """
        results: list[Stored | EarshotError | None] = [None] * len(writes)
        done = asyncio.Event()
        left = len(writes)

        def answer(index: int) -> Callable[[Msg], None]:
            def take(message: Msg) -> None:
                nonlocal left
                if results[index] is None:
                    results[index] = _acknowledged(message)
                    left -= 1
                    if not left:
                        done.set()

            return take

        tokens: list[str] = []
        self._open.add(done)
        try:
            for index, write in enumerate(writes):
                tokens.append(self._expect(answer(index)))
                await self._client.publish(
                    write.subject, write.payload, reply=f"{self._inbox}.{tokens[-1]}", headers=write.headers
                )
                if index % _BREATH == _BREATH - 1:
                    await asyncio.sleep(0)
            if left:
                async with asyncio.timeout(timeout_s):
                    await done.wait()
        except (TimeoutError, NatsError, OSError):
            pass
        finally:
            self._open.discard(done)
            for token in tokens:
                self._waiting.pop(token, None)
        silent = RetryableError("no stream acknowledged in time", code="bus_unavailable")
        return [silent if result is None else result for result in results]

    async def last(
        self, stream: str, subjects: Sequence[str], *, up_to: int = 0, timeout_s: float = 2.0
    ) -> dict[str, Entry]:
        """Return what subjects of a stream hold, of those that hold something; wildcards are allowed. One request.

        Args:
            stream: The stream.
            subjects: Subjects, or patterns of them.
            up_to: What the copy that answers has to have, of what is known to hold something. In a cluster any copy may
                answer, and may not have the newest yet: it is asked again until one has. 0: whatever it has.
            timeout_s: How long that may take.

        Raises:
            OverloadedError: They are more than 1,024; "too_many_results".
            RetryableError: The stream did not answer, or no copy had it in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found, reached = await self._last(stream, subjects, timeout_s)
                    if reached >= up_to:
                        return found
                    await asyncio.sleep(_LAGGING_S)
        except TimeoutError as error:
            raise RetryableError(f"{stream}: no copy had {up_to} in time", code="bus_unavailable") from error

    async def _last(self, stream: str, subjects: Sequence[str], timeout_s: float) -> tuple[dict[str, Entry], int]:
        """Ask once; return the sequence up to which the copy read as well, 0 where it found nothing."""
        found: dict[str, Entry] = {}
        status, reached = "", 0
        done = asyncio.Event()

        def take(message: Msg) -> None:
            nonlocal status, reached
            headers = message.headers or {}
            if "Status" in headers:
                status, reached = headers["Status"], int(headers.get("Nats-UpTo-Sequence", "0"))
                done.set()
                return
            deleted = any(name in headers for name in _DELETED)
            found[headers["Nats-Subject"]] = Entry(
                revision=int(headers["Nats-Sequence"]), value=None if deleted else message.data, headers=headers
            )

        token = self._expect(take)
        self._open.add(done)
        try:
            request = json.dumps({"multi_last": list(subjects)}).encode()
            await self._client.publish(f"$JS.API.DIRECT.GET.{stream}", request, reply=f"{self._inbox}.{token}")
            async with asyncio.timeout(timeout_s):
                await done.wait()
        except (TimeoutError, NatsError, OSError) as error:
            raise RetryableError(f"{stream}: {type(error).__name__}", code="bus_unavailable") from error
        finally:
            self._open.discard(done)
            self._waiting.pop(token, None)
        if status == "413":
            raise OverloadedError(f"{stream} holds more than can be read at once", code="too_many_results")
        if status not in _END:
            raise RetryableError(f"{stream} answered {status}", code="bus_unavailable")
        return found, reached

    def _expect(self, take: Callable[[Msg], None]) -> str:
        token = str(next(self._tokens))
        self._waiting[token] = take
        return token

    def _answered(self, message: Msg) -> None:
        take = self._waiting.get(message.subject.rsplit(".", 1)[-1])
        if take is not None:
            take(message)


def _acknowledged(message: Msg) -> Stored | EarshotError:
    if message.headers and "Status" in message.headers:
        return RetryableError("no stream owns the subject at the moment", code="bus_unavailable")
    # As text: of bytes the encoding would be guessed.
    told = json.loads(message.data.decode())
    if "error" not in told:
        return Stored(stream=told["stream"], sequence=told["seq"], duplicate=bool(told.get("duplicate")))
    error = APIError(**{name: told["error"].get(name) for name in ("code", "description", "err_code")})
    try:
        raise_unless_retryable(error)
    except EarshotError as refused:
        return refused
    if error.err_code in STORAGE_FULL:
        return OverloadedError(f"no room to store it: {error.description}", code="storage_full")
    return RetryableError(f"the stream refused: {error.description}", code="bus_unavailable")
