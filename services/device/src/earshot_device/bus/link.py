"""The device's connection to the bus.

Three ways up: `send` for what may be lost (audio frames: the ring buffer has them too), `store` for what may not
(acknowledged by a stream, repeated until it is), `ask` for questions. One way down: everything under the device's own
`down` subjects goes to one receiver, in order.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import AuthorizationError, InvalidUserCredentialsError
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError

from earshot_chassis import telemetry
from earshot_chassis.client import QuickClient
from earshot_chassis.errors import RetryableError
from earshot_chassis.publishing import Publisher
from earshot_device.errors import CredentialRefusedError, LinkLostError, NotConnectedError, RequestRefusedError
from earshot_device.identity import Identity
from earshot_device.tasks import end

Receiver = Callable[[str, bytes], None]
Reconnected = Callable[[], Awaitable[None]]

_FLUSH_TIMEOUT_S = 5
# A server that is there but says nothing is left after three of these: in time for a turn to be answered all the same.
_PING_S = 1.5
_RECONNECT_WAIT_S = 0.1
_LONGEST_REOPEN_WAIT_S = 2.0

_log = telemetry.logger("device.link")


class Link:
    """One connection with the device's own credential and inbox.

    Args:
        identity: Who connects.
        servers: Addresses, "nats://127.0.0.1:4222".
        authorities: Who signs their certificates, a file; None: the system's authorities.
        receive: Called with subject and payload of everything sent to this device; must not block.
        timeout_s: How long the first connection may take.
        reconnected: Awaited after a connection that was lost is there again.
    """

    def __init__(
        self,
        identity: Identity,
        servers: tuple[str, ...],
        *,
        authorities: Path | None = None,
        timeout_s: float,
        receive: Receiver,
        reconnected: Reconnected,
    ) -> None:
        self._identity = identity
        self._servers = servers
        self._authorities = authorities
        self._timeout_s = timeout_s
        self._receive = receive
        self._reconnected = reconnected
        self._client: Client | None = None
        self._publisher: Publisher | None = None
        self._refusal: asyncio.Future[Exception] | None = None
        self._reopening: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection stands at the moment."""
        return self._client is not None and self._client.is_connected

    async def open(self) -> None:
        """Connect and listen.

        Raises:
            LinkLostError: No server answers.
            CredentialRefusedError: The server refuses the credential, or its file is missing or broken, or that of the
                authorities.
        """
        options: dict[str, Any] = {
            # In an order of its own that it keeps: who leaves a server does not come back to it first.
            "servers": random.sample(self._servers, len(self._servers)),
            "dont_randomize": True,
            "name": f"earshot-device/{self._identity.device_id}",
            "inbox_prefix": self._identity.inbox_prefix,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": _RECONNECT_WAIT_S,
            "connect_timeout": self._timeout_s,
            "ping_interval": _PING_S,
            "error_cb": self._on_error,
            "reconnected_cb": self._reconnected,
        }
        if self._identity.credentials is not None:
            options["user_credentials"] = str(self._identity.credentials)
        await self._check_credential()
        if self._authorities is not None:
            options["tls"] = await asyncio.to_thread(_tls, self._authorities)
        client = QuickClient()
        options["closed_cb"] = partial(self._on_closed, client)
        try:
            await self._connect(client, options)
            await client.subscribe(self._identity.down_subjects, cb=self._deliver)
            await client.flush(timeout=_FLUSH_TIMEOUT_S)
        except (NatsError, OSError) as error:
            await _close(client)
            if _is_refusal(error):
                raise CredentialRefusedError("the bus refuses the device's credential") from error
            raise LinkLostError(f"the bus can't be reached: {type(error).__name__}") from error
        self._client = client
        self._publisher = Publisher(client, client.jetstream())

    async def leave(self) -> bool:
        """Leave the server for another one, given or told of by a server; False without another, or a connection."""
        client = self._client
        if client is None or not client.is_connected or len(client.servers) == 1:
            return False
        _log.warning("server_left", reason="nobody answers")
        await client.force_reconnect()
        return True

    async def close(self) -> None:
        """Send what is buffered and disconnect."""
        await end(self._reopening)
        client, self._client, self._publisher = self._client, None, None
        if client is None:
            return
        with suppress(NatsError, OSError):
            if client.is_connected:
                await client.flush(timeout=1)
        await _close(client)

    async def send(self, subject: str, payload: bytes) -> bool:
        """Publish once, unacknowledged; False while the connection is down, in which case nothing is buffered."""
        client = self._client
        if client is None or not client.is_connected:
            return False
        try:
            await client.publish(subject, payload)
        except (NatsError, OSError):
            return False
        return True

    async def store(
        self, subject: str, message: Message, *, msg_id: str, headers: Mapping[str, str], patience_s: float
    ) -> None:
        """Publish to a stream and repeat until it acknowledges.

        Raises:
            LinkLostError: It did not within `patience_s`.
            PermanentError: The stream refuses the message.
            NotConnectedError: The link is not open.
        """
        if self._publisher is None:
            raise NotConnectedError("the device is not open")
        try:
            await self._publisher.publish(subject, message, headers=headers, msg_id=msg_id, retry_for_s=patience_s)
        except RetryableError as error:
            raise LinkLostError(str(error)) from error

    async def ask(self, subject: str, payload: bytes, *, timeout_s: float = 1.0) -> bytes | None:
        """Send a request; None when nobody answers in time, or answers with an error."""
        try:
            return await self.request(subject, payload, timeout_s=timeout_s)
        except RequestRefusedError:
            return None

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes | None:
        """Send a request; None when nobody answers in time.

        Raises:
            RequestRefusedError: It is answered with an error, whose code it has.
        """
        if self._client is None:
            return None
        try:
            reply = await self._client.request(subject, payload, timeout=timeout_s)
        except (NatsError, OSError):
            return None
        if code := (reply.headers or {}).get("error-code"):
            raise RequestRefusedError("the cloud answers with an error", code=code)
        return reply.data

    async def _check_credential(self) -> None:
        path = self._identity.credentials
        if path is not None and not await asyncio.to_thread(path.is_file):
            raise CredentialRefusedError(f"there is no credentials file {path}", code="credential_missing")

    async def _connect(self, client: Client, options: dict[str, Any]) -> None:
        # With endless reconnecting, nats-py also tries the first connection for ever and keeps a refusal to itself.
        self._refusal = asyncio.get_running_loop().create_future()
        connecting: asyncio.Future[None] = asyncio.create_task(client.connect(**options))
        try:
            either: set[asyncio.Future[Any]] = {connecting, self._refusal}
            await asyncio.wait(either, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                await connecting
            elif self._refusal.done():
                raise self._refusal.result()
            else:
                raise NatsTimeoutError
        finally:
            connecting.cancel()
            with suppress(asyncio.CancelledError, NatsError, OSError):
                await connecting
            self._refusal.cancel()

    async def _on_closed(self, client: Client) -> None:
        # nats-py gives a connection up for good on most of a server's -ERR (slow consumer, expired credential, ...).
        if client is self._client:
            self._reopening = asyncio.create_task(self._reopen())

    async def _reopen(self) -> None:
        wait_s = _RECONNECT_WAIT_S
        while True:
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads devices, no secret
            try:
                await self.open()
            except (LinkLostError, CredentialRefusedError):
                wait_s = min(2 * wait_s, _LONGEST_REOPEN_WAIT_S)
            else:
                break
        _log.info("link_reopened")
        await self._reconnected()

    async def _deliver(self, message: Msg) -> None:
        self._receive(message.subject, message.data)

    async def _on_error(self, error: Exception) -> None:
        if _is_refusal(error) and self._refusal is not None and not self._refusal.done():
            self._refusal.set_result(error)
        _log.warning("link_error", error=type(error).__name__)


def _is_refusal(error: Exception) -> bool:
    # During the first handshake nats-py passes the server's words on in its base error.
    return (
        isinstance(error, AuthorizationError | InvalidUserCredentialsError)
        or "authorization violation" in str(error).lower()
    )


def _tls(authorities: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise CredentialRefusedError(
            f"{authorities} holds no authorities of certificates: {error.strerror or error}",
            code="authorities_unreadable",
        ) from error


async def _close(client: Client) -> None:
    with suppress(NatsError, OSError):
        await client.close()
