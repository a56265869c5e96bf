"""Many connected devices in one process: raw NATS connections, each with credentials and a subscription of its own.

A connection is one asyncio protocol and no client library, so that thousands of them cost this process little and the
server what real devices would. They answer pings, count what they are sent, and connect again after a jittered pause
when they lose their server, as devices do.

    server ─INFO nonce─► CONNECT jwt, sig; PING ─PONG─► SUB down.> ; PING ─PONG─► there
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import resource
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import nkeys

from earshot_cli.errors import CliError
from earshot_topology.subjects import DeviceAddress

_SPARE_FILES = 200
# How many handshakes one process has in hand at once: the server gives each of them two seconds.
_AT_ONCE = 32
# Whoever lost its server asks nobody; more than this the process itself could not sign in two seconds.
_RETURNING_AT_ONCE = 512
_TRIES = 6


@dataclass(frozen=True, slots=True)
class Credentials:
    """A device's user, read from its credentials file."""

    jwt: str
    seed: bytes

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Read a credentials file."""
        lines = text.splitlines()
        jwt = lines[lines.index("-----BEGIN NATS USER JWT-----") + 1]
        seed = lines[lines.index("-----BEGIN USER NKEY SEED-----") + 1]
        return cls(jwt, seed.encode())

    def sign(self, nonce: str) -> str:
        """Sign what the server asks to have signed."""
        raw: bytes = nkeys.from_seed(self.seed).sign(nonce.encode())
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(slots=True)
class Tally:
    """What happened to the crowd."""

    there: int = 0
    delivered: int = 0
    lost: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """One device."""

    def __init__(self, address: DeviceAddress, credentials: Credentials, crowd: Crowd) -> None:
        self.address = address
        self.credentials = credentials
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._skip = 0
        self.there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._subscribed = False

    def connection_made(self, transport: Any) -> None:
        """The socket is open."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read whole lines; payloads of messages are counted and passed over."""
        data = self._rest + data
        while data:
            if self._skip:
                taken = min(self._skip, len(data))
                self._skip -= taken
                data = data[taken:]
                continue
            line, end, rest = data.partition(b"\r\n")
            if not end:
                break
            data = rest
            self._line(line)
        self._rest = data

    def _line(self, line: bytes) -> None:
        if line.startswith((b"MSG ", b"HMSG ")):
            self._skip = int(line.rsplit(b" ", 1)[1]) + 2
            self._crowd.took()
        elif line == b"PING":
            self._write(b"PONG\r\n")
        elif line == b"PONG":
            self._ponged()
        elif line.startswith(b"INFO "):
            self._greeted(json.loads(line[5:]))
        elif line.startswith(b"-ERR"):
            self._crowd.tally.errors.append(line.decode())

    def _greeted(self, info: dict[str, Any]) -> None:
        if self._subscribed or self.there.done():
            return
        claims: dict[str, Any] = {"verbose": False, "pedantic": False, "lang": "crowd", "version": "1", "protocol": 1}
        if nonce := info.get("nonce"):
            claims |= {"jwt": self.credentials.jwt, "sig": self.credentials.sign(nonce)}
        self._write(b"CONNECT " + json.dumps(claims, separators=(",", ":")).encode() + b"\r\nPING\r\n")

    def _ponged(self) -> None:
        if not self._subscribed:
            self._subscribed = True
            household, device = self.address
            self._write(f"SUB device.{household}.{device}.down.> 1\r\nPING\r\n".encode())
        elif not self.there.done():
            self.there.set_result(None)
            self._crowd.tally.there += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        del exc
        if self.there.done() and not self.there.cancelled():
            self._crowd.tally.there -= 1
            self._crowd.tally.lost += 1
            self._crowd.lost(self)
        elif not self.there.done():
            self.there.set_exception(ConnectionError("closed in the handshake"))

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class Crowd:
    """Devices that are connected to one server.

    Args:
        host: Where it listens.
        port: Likewise.
        jitter_s: A device that lost its server waits for up to this before it comes back, twice as long after each failure.
        seed: Of the jitter.

    Attributes:
        tally: What happened.
        returned_s: When each lost device was there again, seconds since `lost_at`.
    """

    def __init__(self, host: str, port: int, *, jitter_s: float = 2.0, seed: int = 1) -> None:
        self._host = host
        self._port = port
        self._jitter_s = jitter_s
        self._random = random.Random(seed)  # noqa: S311 - jitter, not a secret
        self._members: dict[DeviceAddress, _Connection] = {}
        self._returning: set[asyncio.Task[None]] = set()
        self._closing = False
        self._lost_at = 0.0
        self._joining = asyncio.Semaphore(_AT_ONCE)
        self._storming = asyncio.Semaphore(_RETURNING_AT_ONCE)
        self._awaited = 0
        self._arrived = asyncio.Event()
        self.tally = Tally()
        self.returned_s: list[float] = []

    async def join(self, devices: Iterable[tuple[DeviceAddress, Credentials]]) -> list[float]:
        """Connect devices, some at a time; return how long each took, in seconds.

        Raises:
            OSError: The server can't be reached, or hung up again and again.
        """
        return list(await asyncio.gather(*(self._tried(address, credentials) for address, credentials in devices)))

    async def _tried(self, address: DeviceAddress, credentials: Credentials) -> float:
        for _ in range(_TRIES - 1):
            try:
                return await self._join(address, credentials, self._joining)
            except (OSError, TimeoutError):
                self.tally.refused += 1
        return await self._join(address, credentials, self._joining)

    async def _join(self, address: DeviceAddress, credentials: Credentials, turnstile: asyncio.Semaphore) -> float:
        async with turnstile:
            began = time.monotonic()
            _, protocol = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(address, credentials, self), self._host, self._port
            )
            self._members[address] = protocol
            await asyncio.wait_for(protocol.there, 30)
            return time.monotonic() - began

    def took(self) -> None:
        """Count a message."""
        self.tally.delivered += 1
        if self.tally.delivered >= self._awaited:
            self._arrived.set()

    async def delivered(self, count: int) -> None:
        """Wait until so many messages have come."""
        self._awaited = count
        self._arrived.clear()
        if self.tally.delivered < count:
            await self._arrived.wait()

    def lost(self, connection: _Connection) -> None:
        """Bring a device back that lost its server."""
        if self._closing:
            return
        if not self._lost_at:
            self._lost_at = time.monotonic()
        task = asyncio.ensure_future(self._return(connection.address, connection.credentials))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _return(self, address: DeviceAddress, credentials: Credentials) -> None:
        pause = self._jitter_s
        while not self._closing:
            await asyncio.sleep(self._random.random() * pause)
            pause = min(2 * pause, 30.0)
            try:
                await self._join(address, credentials, self._storming)
            except (OSError, TimeoutError):
                self.tally.refused += 1
            else:
                self.returned_s.append(time.monotonic() - self._lost_at)
                return

    async def close(self) -> None:
        """Let all of them go."""
        self._closing = True
        for task in list(self._returning):
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)
        for member in self._members.values():
            member.close()
        await asyncio.sleep(0)


def room_for(connections: int) -> None:
    """Raise this process's limit of open files as far as it has to be.

    Raises:
        CliError: The hard limit is too low (code `too_few_files`).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise CliError(
            f"{connections} connections need {wanted} open files; this process may have {hard} (ulimit -Hn)",
            code="too_few_files",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def addresses(count: int, *, households: int = 0) -> Sequence[DeviceAddress]:
    """Return addresses of devices, 2 to a household unless told otherwise."""
    homes = households or max(1, count // 2)
    return [DeviceAddress(f"home{index % homes}", f"crowd{index}") for index in range(count)]
