"""Make JetStream hold what `streams` declares. Idempotent: applying twice changes nothing.

As a command: python -m earshot_topology.apply [--url URL] [--credentials FILE] [--replicas 1|3] [--allow-destructive]

First everything is compared, then everything is changed: a change by which something is lost is refused, and with it all
others, unless it is allowed by name of the flag.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import nats
from nats.errors import Error
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import NotFoundError

from earshot_topology.declared import Declaration, Kind, declarations
from earshot_topology.drift import Drift
from earshot_topology.held import Held, Stored, differences, keeps_less_time
from earshot_topology.streams import CONSUMERS

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

_CONNECT_TIMEOUT_S = 5
# So many streams nats-server lists at once.
_PAGE = 256
# docs/adr/0011.
_CLUSTER_COPIES = 3


class Change(StrEnum):
    """What applying a declaration did."""

    CREATED = "created"
    UPDATED = "updated"
    REPLACED = "replaced"
    DELETED = "deleted"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One object of the server.

    Attributes:
        kind: "stream", "consumer", "bucket" or "object store".
        name: A consumer's is <stream>/<durable>.
        change: What had to be done for it.
    """

    kind: str
    name: str
    change: Change


class DestructiveChangeError(Exception):
    """Applying would lose something; nothing was changed.

    Attributes:
        drifts: The changes that would.
    """

    def __init__(self, drifts: tuple[Drift, ...]) -> None:
        self.drifts = drifts
        told = "; ".join(f"{drift.kind} {drift.name}: {loss}" for drift in drifts for loss in drift.losses)
        super().__init__(f"refused, because something would be lost: {told}")


def copies(jetstream: JetStreamContext) -> int:
    """Return how many copies of everything a bus is to have: three in a cluster, one on a server by itself.

    The server itself says whether it is in a cluster, streams or not, whoever is asked.
    """
    # nats-py keeps to itself what a server says of itself when it is connected to.
    return _CLUSTER_COPIES if jetstream._nc._server_info.get("cluster") else 1  # noqa: SLF001


async def diff(jetstream: JetStreamContext, *, replicas: int | None = None) -> tuple[Drift, ...]:
    """Return how the server differs from the declarations, in the order in which it can be mended.

    Args:
        jetstream: A context whose user may read streams and consumers.
        replicas: Copies of each stream that there ought to be, 1 or 3; None: as many as such a bus has.
    """
    streams = await _streams(jetstream)
    stored = {
        name: Stored(
            config=info.config,
            state=info.state,
            oldest_s=await _oldest_s(jetstream, info) if keeps_less_time(info.config) else 0.0,
        )
        for name, info in streams.items()
    }
    held = Held(streams=stored, consumers=await _consumers(jetstream, streams))
    return differences(held, replicas or copies(jetstream))


async def apply(
    jetstream: JetStreamContext, *, replicas: int | None = None, allow_destructive: bool = False, prune: bool = False
) -> tuple[Applied, ...]:
    """Create or update every stream, consumer, bucket and object store: all that is safe, or nothing.

    Args:
        jetstream: A context whose user may manage streams.
        replicas: Copies of each stream, 1 or 3; None: as many as such a bus has.
        allow_destructive: Also make changes by which something is lost.
        prune: Also delete what nothing declares, which is destructive.

    Returns:
        What was done for every declaration, in the order in which it was.

    Raises:
        DestructiveChangeError: Something would be lost, and that is not allowed; nothing was changed.
        nats.js.errors.APIError: The server refuses a change.
    """
    replicas = replicas or copies(jetstream)
    drifts = await diff(jetstream, replicas=replicas)
    meant = [drift for drift in drifts if prune or not drift.undeclared]
    destructive = tuple(drift for drift in meant if drift.losses)
    if destructive and not allow_destructive:
        raise DestructiveChangeError(destructive)
    by_name = {(drift.kind, drift.name): drift for drift in meant}
    done = []
    for declaration in declarations(replicas):
        drift = by_name.get((declaration.kind, declaration.name))
        change = await _mend(jetstream, declaration, drift) if drift is not None else Change.UNCHANGED
        done.append(Applied(kind=declaration.kind, name=declaration.name, change=change))
    for drift in meant:
        if drift.undeclared:
            await _delete(jetstream, drift.kind, drift.stream, drift.name)
            done.append(Applied(kind=drift.kind, name=drift.name, change=Change.DELETED))
    return tuple(done)


async def _streams(jetstream: JetStreamContext) -> dict[str, StreamInfo]:
    found: dict[str, StreamInfo] = {}
    pages = itertools.count(step=_PAGE)
    # A page of a cluster's list leaves out what has no leader at the moment: its length tells nothing.
    while page := await jetstream.streams_info(offset=next(pages)):
        found |= {str(info.config.name): info for info in page}
    for name in {declaration.stream for declaration in declarations(1)} - found.keys():
        with suppress(NotFoundError):
            found[name] = await jetstream.stream_info(name)
    return found


async def _consumers(jetstream: JetStreamContext, streams: Iterable[str]) -> dict[str, ConsumerConfig]:
    found = {
        f"{name}/{info.name}": info.config
        for name in streams
        for info in await jetstream.consumers_info(name)
        if info.config.durable_name
    }
    for consumer in CONSUMERS:
        name = f"{consumer.stream}/{consumer.durable}"
        if name not in found:
            with suppress(NotFoundError):
                found[name] = (await jetstream.consumer_info(consumer.stream, consumer.durable)).config
    return found


async def _oldest_s(jetstream: JetStreamContext, info: StreamInfo) -> float:
    """Return the age of a stream's oldest message, in seconds; 0 of an empty one."""
    if not info.state.messages:
        return 0.0
    oldest = await jetstream.get_msg(str(info.config.name), seq=info.state.first_seq)
    return (datetime.now(UTC) - oldest.time).total_seconds() if oldest.time is not None else 0.0


async def _mend(jetstream: JetStreamContext, declaration: Declaration, drift: Drift) -> Change:
    config = declaration.config
    if drift.anew:
        await _delete(jetstream, declaration.kind, declaration.stream, declaration.name)
    if isinstance(config, ConsumerConfig):
        await jetstream.add_consumer(declaration.stream, config)
    elif drift.missing or drift.anew:
        await jetstream.add_stream(config)
    elif isinstance(config, StreamConfig):
        await jetstream.update_stream(config)
    return Change.CREATED if drift.missing else Change.REPLACED if drift.anew else Change.UPDATED


async def _delete(jetstream: JetStreamContext, kind: str, stream: str, name: str) -> None:
    try:
        if kind == Kind.CONSUMER:
            await jetstream.delete_consumer(stream, name.split("/", 1)[1])
        else:
            await jetstream.delete_stream(stream)
    except NotFoundError:
        # A consumer goes with its stream.
        return


@asynccontextmanager
async def connected(
    url: str, credentials: str | None, authorities: str | None = None
) -> AsyncIterator[JetStreamContext]:
    """Connect for one command.

    Args:
        url: Servers, comma separated.
        credentials: Credentials file.
        authorities: Who signs the servers' certificates, a file; the system's where none is named.

    Raises:
        nats.errors.Error, OSError: No server answers, or the user may not: the server's reason.
    """
    told: list[Exception] = []

    async def tell(error: Exception) -> None:
        told.append(error)

    client = await nats.connect(
        url.split(","),
        user_credentials=credentials,
        tls=ssl.create_default_context(cafile=authorities) if authorities else None,
        connect_timeout=_CONNECT_TIMEOUT_S,
        allow_reconnect=False,
        # Without these the first connection would be tried for two minutes.
        max_reconnect_attempts=1,
        reconnect_time_wait=0.2,
        error_cb=tell,
    )
    try:
        yield client.jetstream()
    except TimeoutError as error:
        # A user without permission gets no answer; the server says so on the side.
        raise (told[-1] if told else error) from error
    finally:
        await client.close()


async def _apply_to(
    url: str, credentials: str | None, authorities: str | None, replicas: int | None, *, allow_destructive: bool
) -> tuple[Applied, ...]:
    async with connected(url, credentials, authorities) as jetstream:
        return await apply(jetstream, replicas=replicas, allow_destructive=allow_destructive)


def main() -> None:
    """Run the command: one line for each declaration; one sentence and exit code 1 when it can't be done."""
    parser = argparse.ArgumentParser(
        prog="python -m earshot_topology.apply",
        description="Make a nats-server hold every stream and bucket of Earshot.",
    )
    url = os.environ.get("EARSHOT_NATS_URL") or "nats://127.0.0.1:4222"
    credentials = os.environ.get("EARSHOT_NATS_CREDENTIALS")
    parser.add_argument("--url", default=url, help="servers, comma separated; EARSHOT_NATS_URL (%(default)s)")
    parser.add_argument("--credentials", default=credentials, help="credentials file; EARSHOT_NATS_CREDENTIALS")
    authorities = os.environ.get("EARSHOT_NATS_CA")
    parser.add_argument("--ca", default=authorities, help="authorities of certificates, for TLS; EARSHOT_NATS_CA")
    parser.add_argument(
        "--replicas", type=int, choices=(1, 3), help="copies of each stream; default: 3 in a cluster, else 1"
    )
    parser.add_argument("--allow-destructive", action="store_true", help="also make changes by which something is lost")
    given = parser.parse_args()
    try:
        done = asyncio.run(
            _apply_to(
                given.url,
                given.credentials or None,
                given.ca or None,
                given.replicas,
                allow_destructive=given.allow_destructive,
            )
        )
    except DestructiveChangeError as error:
        sys.stderr.write(f"earshot_topology.apply: {error}; --allow-destructive does it all the same\n")
        raise SystemExit(1) from None
    except (Error, OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        sys.stderr.write(f"earshot_topology.apply: the topology could not be applied to {given.url}: {reason}\n")
        raise SystemExit(1) from None
    for one in done:
        sys.stdout.write(f"{one.kind} {one.name}: {one.change}\n")


if __name__ == "__main__":
    main()
