"""The bus of one service: a connection, publishers, consumers, responders.

Two consumer paths with one behaviour (see `consuming`):

- `handler` goes through FastStream, for events whose subject holds no id. Concurrency n is n subscribers that fetch one
  message each on one durable: nothing is fetched ahead, so nothing is stranded at a stop.
- `worker` is raw nats-py (see `pulling`), for device-facing subjects, whose ids would end in FastStream's names, and for
  work that is owned for seconds. Concurrency n is n slots.
- `batch_worker` is the same for crowds (see `batching`).

Lifecycle: `connect`, register, `start`, `stop_consuming` (work in progress is finished), `close`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import SlowConsumerError
from nats.js import JetStreamContext
from nats.js.errors import APIError

from earshot_chassis import tasks, telemetry
from earshot_chassis.attempts import HandedBack
from earshot_chassis.batching import BatchHandler, BatchWorker
from earshot_chassis.client import QuickClient
from earshot_chassis.codec import CONTENT_TYPE, content_type, decode, encode
from earshot_chassis.consuming import Consuming, Delivery, DurableConsumer, Handler, Obsolete, ParkedHook
from earshot_chassis.credentials import follow
from earshot_chassis.errors import EarshotError, MalformedPayloadError, OverloadedError, PermanentError, RetryableError
from earshot_chassis.parking import Parking, Tenant
from earshot_chassis.publishing import Publisher
from earshot_chassis.pulling import PullWorker
from earshot_chassis.sampling import Seldom
from earshot_chassis.settings import PING_INTERVAL_S, ServiceSettings

M = TypeVar("M", bound=Message)
Responder = Callable[[M, str], Awaitable[Message]]
Listener = Callable[[M, str], Awaitable[None]]

# Requests that one responder answers at once, how many of them for one tenant, and how long a stop waits for the last ones.
_ANSWERS = 64
_ANSWERS_OF_TENANT = _ANSWERS // 4
_LAST_ANSWERS_S = 2.0
_OVERLOADED = {"error-code": OverloadedError.code, "error-message": "too many requests at once"}
# How long leaving a group may take, which is one round trip and the answers under way.
_GROUP_S = 0.5
_log = telemetry.logger("bus")
_MALFORMED = telemetry.counter("earshot.message.malformed", "Core messages that could not be read.")
_REFUSED = telemetry.counter("earshot.message.requests_refused", "Requests that came while too many were answered.")
_DROPPED = telemetry.counter("earshot.message.dropped", "Core messages that came faster than they were read.")


class Bus(Publisher):
    """One service's connection to NATS.

    Attributes:
        handed_back: Which deliveries were handed back, by anybody.
        jetstream_api: Subject under which JetStream's API is asked.
    """

    def __init__(self, name: str, settings: ServiceSettings) -> None:
        self.name = name
        self._inbox = f"_INBOX_{name}"
        self._settings = settings
        self.jetstream_api = settings.nats_jetstream_api
        self._handlers: list[tuple[Consuming, DurableConsumer, int]] = []
        self._workers: list[PullWorker] = []
        self._subscriptions: list[Subscription] = []
        self._answering: list[set[asyncio.Task[None]]] = []
        self._reconnect_hooks: list[Callable[[], Awaitable[object]]] = []
        self._broker: Any = None
        self._closing = False
        self._connected = asyncio.Event()
        self._lost = asyncio.Event()
        # A subscription that is not read fast enough loses thousands of messages: one line a second tells it. The same goes
        # for messages that can't be read.
        self._dropping = Seldom()
        self._malformed = Seldom()
        self.handed_back = HandedBack()
        self._parking: Parking
        self.client: Client
        self.jetstream: JetStreamContext

    def check_credentials(self) -> None:
        """Look whether there are the credentials that the settings name: waiting for them would be for ever.

        Raises:
            PermanentError: There are none, "credentials_missing"; the authorities can't be read, "authorities_unreadable".
        """
        file = self._settings.nats_credentials
        if file is not None and not file.is_file():
            raise PermanentError(
                f"there is no file {file.name}, which is to hold its credentials", code="credentials_missing"
            )
        try:
            self._settings.nats_tls()
        except OSError as error:
            raise PermanentError(
                f"EARSHOT_NATS_CA names no file of certificates: {error.strerror or error}",
                code="authorities_unreadable",
            ) from error

    async def connect(self) -> None:
        """Connect; wait for the server as long as it takes."""
        options: dict[str, Any] = {
            "servers": self._settings.nats_url.split(","),
            "name": f"earshot-{self.name}/{self._settings.instance_id}",
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.2,
            "connect_timeout": 2,
            "ping_interval": PING_INTERVAL_S,
            "inbox_prefix": self._inbox,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnect,
            "reconnected_cb": self._on_reconnect,
            "closed_cb": self._on_closed,
        }
        if self._settings.nats_credentials is not None:
            options["user_credentials"] = str(self._settings.nats_credentials)
        if (tls := self._settings.nats_tls()) is not None:
            options["tls"] = tls
        while True:
            try:
                client = QuickClient()
                await client.connect(**options)
                self.client = client
                break
            except (NatsError, OSError) as error:
                _log.warning("bus_unreachable", error=type(error).__name__)
                await asyncio.sleep(0.5)
        self.jetstream = self.client.jetstream(prefix=self.jetstream_api)
        Publisher.__init__(self, self.client, self.jetstream)
        self._parking = Parking(self.name, self.store)
        self._connected.set()

    async def join(self) -> None:
        """Connect while the service works already: hooks are called as after a lost connection."""
        await self.connect()
        for hook in self._reconnect_hooks:
            await hook()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection at the moment."""
        return self._connected.is_set() and self.client.is_connected

    def park_for(self, tenant: Tenant) -> None:
        """Tell whose a message is that is given up, and a request; without it, all are nobody's, who has no bounds."""
        self._parking.tenant = tenant

    def handler(
        self, consumer: DurableConsumer, message_type: type[M], function: Handler[M], *, concurrency: int = 1
    ) -> None:
        """Consume through FastStream; the subject holds no id."""
        consuming = Consuming(consumer, message_type, function, self._parking.park, handed_back=self.handed_back)
        self._handlers.append((consuming, consumer, concurrency))

    def worker(
        self,
        consumer: DurableConsumer,
        message_type: type[M],
        function: Handler[M],
        *,
        concurrency: int = 1,
        on_parked: ParkedHook | None = None,
        obsolete: Obsolete[M] | None = None,
    ) -> None:
        """Consume through nats-py itself.

        Args:
            consumer: Declared durable.
            message_type: What it consumes.
            function: Handles one message.
            concurrency: Messages in progress at once.
            on_parked: Is told of messages that are given up.
            obsolete: Tells whether a message has nothing to say any more: it is acknowledged and leaves no span.
        """
        consuming = Consuming(
            consumer, message_type, function, self._parking.park, on_parked, obsolete, self.handed_back
        )
        self._workers.append(PullWorker(self.client, consumer, consuming, concurrency))

    def batch_worker(
        self, consumer: DurableConsumer, message_type: type[M], function: BatchHandler[M], *, size: int = 128
    ) -> None:
        """Consume what comes in crowds through nats-py itself, whatever has arrived together.

        Args:
            consumer: Declared durable.
            message_type: What it consumes.
            function: Handles a batch; sets the error of those that it could not handle.
            size: Messages in a batch at most.
        """
        self._workers.append(
            BatchWorker(self.client, consumer, message_type, function, self._parking.park, size, self.handed_back)
        )

    async def subscribe(
        self, subject: str, message_type: type[M], function: Listener[M], *, queue: str = ""
    ) -> Subscription:
        """Listen on a core subject. What can't be read is counted and dropped; a failing listener is logged."""

        async def receive(raw: Msg) -> None:
            try:
                message = decode(raw.data, raw.headers, message_type)
            except MalformedPayloadError as error:
                _MALFORMED.add(1, {"type": message_type.DESCRIPTOR.name})
                if times := self._malformed.happened():
                    _log.warning("malformed_message", code=error.code, reason=str(error), times=times)
                return
            try:
                await function(message, raw.subject)
            except Exception as error:  # noqa: BLE001 - a listener must not end the subscription
                _log.error("listener_failed", type=message_type.DESCRIPTOR.name, exc_info=error)

        subscription = await self.client.subscribe(subject, queue=queue, cb=receive)
        self._subscriptions.append(subscription)
        return subscription

    async def responder(
        self, subject: str, request_type: type[M], function: Responder[M], *, queue: str
    ) -> Subscription:
        """Answer requests on a core subject; an error is answered with the headers error-code and error-message.

        So many are answered at once, and of one tenant (`park_for`) a quarter of them; one more is `overloaded`, which tells
        who asks to ask again, or another replica.
        """

        async def answer(raw: Msg) -> None:
            try:
                response = await function(decode(raw.data, raw.headers, request_type), raw.subject)
                payload, headers = encode(response), {CONTENT_TYPE: content_type(type(response))}
            except EarshotError as error:
                payload, headers = b"", {"error-code": error.code, "error-message": str(error)}
            except Exception as error:  # noqa: BLE001 - a responder must not end the subscription
                _log.error("responder_failed", type=request_type.DESCRIPTOR.name, exc_info=error)
                payload, headers = b"", {"error-code": "internal", "error-message": "internal error"}
            if raw.reply:
                await self.client.publish(raw.reply, payload, headers=headers)

        answering: set[asyncio.Task[None]] = set()

        shares: Counter[str] = Counter()

        async def begin(raw: Msg) -> None:
            tenant = self._parking.tenant(raw.subject, None)
            if len(answering) >= _ANSWERS or (tenant and shares[tenant] >= _ANSWERS_OF_TENANT):
                _REFUSED.add(1, {"type": request_type.DESCRIPTOR.name})
                if raw.reply:
                    await self.client.publish(raw.reply, headers=_OVERLOADED)
                return
            task = asyncio.get_running_loop().create_task(answer(raw))
            answering.add(task)
            shares[tenant] += 1
            task.add_done_callback(partial(answered, tenant))
            task.add_done_callback(_told)

        def answered(tenant: str, task: asyncio.Task[None]) -> None:
            answering.discard(task)
            shares[tenant] -= 1
            if not shares[tenant]:
                del shares[tenant]

        subscription = await self.client.subscribe(subject, queue=queue, cb=begin)
        self._subscriptions.append(subscription)
        self._answering.append(answering)
        return subscription

    def on_reconnect(self, hook: Callable[[], Awaitable[object]]) -> None:
        """Call a hook, which must not raise, after each new connection in the place of a lost one, and after the first one of `join`."""
        self._reconnect_hooks.append(hook)

    async def start(self) -> None:
        """Begin to consume."""
        for consumer in self._consumers:
            await self.handed_back.follow(self.client, consumer)
        self.handed_back.listening()
        if self._handlers:
            from earshot_chassis.faststream import Broker  # noqa: PLC0415 - only services with handlers pay for it

            self._broker = Broker(self._settings, self.name, closed=self._on_closed)
            await self._broker.start(self._handlers)
        for worker in self._workers:
            await worker.start()

    async def follow_credentials(self) -> None:
        """Connect anew whenever the credentials are others, until cancelled.

        FastStream's connection is not this one: of a service with handlers, pods are restarted for other credentials.
        """
        file = self._settings.nats_credentials
        if file is None or self._handlers:
            await asyncio.Event().wait()
        else:
            await self._connected.wait()
            await follow(file, self.client, self._settings.nats_credentials_look_s)

    async def ready(self) -> str:
        """Return why this service can't work at the moment; an empty string when it can."""
        if not self.is_connected:
            return "not connected to NATS"
        if self.storage_full:
            return "the bus has no room to store anything"
        for consumer in self._consumers:
            try:
                await self.jetstream.consumer_info(consumer.stream, consumer.durable, timeout=1.0)
            except (NatsError, APIError) as error:
                return f"consumer {consumer.stream}/{consumer.durable}: {type(error).__name__}"
        dead = [worker.consumer.durable for worker in self._workers if not worker.alive]
        return f"worker loop ended: {', '.join(dead)}" if dead else ""

    async def lost(self) -> None:
        """Wait until a connection is closed for good, which nobody asked for; then raise.

        nats-py reconnects after a failure of the network, but gives up for ever when the server says why it hangs up: an
        expired credential, a slow consumer, too many connections.

        Raises:
            RetryableError: A connection was closed: a new process may have one.
        """
        await self._lost.wait()
        raise RetryableError("the server ended the connection", code="bus_connection_closed")

    async def stop_consuming(self, timeout_s: float) -> None:
        """Take no more work; wait for what is in progress, at most timeout_s, then cancel it."""
        self._closing = True
        give_up = time.monotonic() + timeout_s
        # Another replica answers what is sent to a group; what is sent to all may be about work in progress.
        shared = [subscription for subscription in self._subscriptions if subscription.queue]
        stopping = [worker.stop(timeout_s) for worker in self._workers]
        if self._broker is not None:
            stopping.append(self._broker.stop(timeout_s))
        await asyncio.gather(*stopping, *map(_leave, shared))
        for subscription in self._subscriptions:
            with suppress(NatsError):
                await subscription.unsubscribe()
        answers = [task for answering in self._answering for task in answering]
        if answers:
            await asyncio.wait(answers, timeout=max(0.1, min(_LAST_ANSWERS_S, give_up - time.monotonic())))

    async def close(self, patience_s: float = 3.0) -> None:
        """Flush and disconnect."""
        self._closing = True
        # Not nats-py's drain, which does nothing while the server is away, and waits for listeners that read no more.
        closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.wait({closing}, timeout=max(0.0, patience_s))
        await tasks.end([closing], _GROUP_S)

    async def _close(self) -> None:
        with suppress(NatsError, OSError):
            if self.client.is_connected:
                await self.client.flush()
        await self.client.close()

    @property
    def _consumers(self) -> list[DurableConsumer]:
        return [consumer for _, consumer, _ in self._handlers] + [worker.consumer for worker in self._workers]

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            _DROPPED.add(1)
            if times := self._dropping.happened():
                subject = error.sub.subject
                _log.warning("messages_dropped", subscription=subject, reason="not read fast enough", times=times)
            return
        _log.warning("bus_error", error=type(error).__name__, reason=str(error)[:200])

    async def _on_disconnect(self) -> None:
        if not self._closing:
            _log.warning("bus_disconnected")

    async def _on_closed(self) -> None:
        if not self._closing:
            self._lost.set()

    async def _on_reconnect(self) -> None:
        _log.info("bus_reconnected")
        # What was handed back meanwhile, nobody told.
        self.handed_back.listening()
        for hook in self._reconnect_hooks:
            await hook()


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("answer_lost", error=type(error).__name__)


async def _leave(subscription: Subscription) -> None:
    """Leave a group: what was sent here before is still answered."""
    leaving = asyncio.get_running_loop().create_task(subscription.drain())  # type: ignore[no-untyped-call]
    await asyncio.wait({leaving}, timeout=_GROUP_S)
    await tasks.end([leaving], _GROUP_S)


__all__ = ["Bus", "Delivery"]
