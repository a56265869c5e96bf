"""Make JetStream hold what `streams` declares. Idempotent: applying twice changes nothing.

As a command: python -m earshot_topology.apply [--url URL] [--credentials FILE] [--replicas 1|3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import nats
from nats.errors import Error
from nats.js.api import DiscardPolicy
from nats.js.errors import BucketNotFoundError, NotFoundError

from earshot_topology.streams import BUCKETS, CONSUMERS, OBJECT_STORES, STREAMS

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import KeyValueConfig, ObjectStoreConfig, StreamConfig

    from earshot_topology.streams import Consumer

_CONNECT_TIMEOUT_S = 5


class Change(StrEnum):
    """What applying a declaration did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One declaration that the server now holds.

    Attributes:
        kind: "stream", "consumer", "bucket" or "object store".
        name: A consumer's is <stream>/<durable>.
        change: What had to be done for it.
    """

    kind: str
    name: str
    change: Change


async def apply(jetstream: JetStreamContext, *, replicas: int = 1) -> tuple[Applied, ...]:
    """Create or update every stream, consumer, bucket and object store.

    Args:
        jetstream: A context whose user may manage streams.
        replicas: Copies of each stream; 1 or 3.

    Returns:
        What was done, in the order in which it was.

    Raises:
        nats.js.errors.APIError: The server refuses a change, for instance of a stream's storage.
    """
    done: list[Applied] = []
    for config in STREAMS:
        change = await _apply_stream(jetstream, replace(config, num_replicas=replicas))
        done.append(Applied(kind="stream", name=str(config.name), change=change))
    for consumer in CONSUMERS:
        change = await _apply_consumer(jetstream, consumer, replicas)
        done.append(Applied(kind="consumer", name=f"{consumer.stream}/{consumer.durable}", change=change))
    for bucket in BUCKETS:
        change = await _apply_bucket(jetstream, replace(bucket, replicas=replicas))
        done.append(Applied(kind="bucket", name=bucket.bucket, change=change))
    for store in OBJECT_STORES:
        change = await _apply_object_store(jetstream, replace(store, replicas=replicas))
        done.append(Applied(kind="object store", name=str(store.bucket), change=change))
    return tuple(done)


async def _apply_stream(jetstream: JetStreamContext, config: StreamConfig) -> Change:
    try:
        before = (await jetstream.stream_info(str(config.name))).config
    except NotFoundError:
        await jetstream.add_stream(config)
        return Change.CREATED
    # The server fills in what a declaration leaves open, so that what it holds is compared with what it held.
    after = (await jetstream.update_stream(config)).config
    return Change.UNCHANGED if after == before else Change.UPDATED


async def _apply_consumer(jetstream: JetStreamContext, consumer: Consumer, replicas: int) -> Change:
    try:
        before = (await jetstream.consumer_info(consumer.stream, consumer.durable)).config
    except NotFoundError:
        before = None
    after = (await jetstream.add_consumer(consumer.stream, consumer.config(replicas))).config
    if before is None:
        return Change.CREATED
    return Change.UNCHANGED if after == before else Change.UPDATED


async def _apply_bucket(jetstream: JetStreamContext, config: KeyValueConfig) -> Change:
    try:
        await jetstream.key_value(config.bucket)
    except (BucketNotFoundError, NotFoundError):
        await jetstream.create_key_value(config)
        return Change.CREATED
    # nats-py can't update a bucket; permissions rely on `direct`, and limits are meant to be changed.
    present = (await jetstream.stream_info(f"KV_{config.bucket}")).config
    wanted = replace(
        present,
        allow_direct=bool(config.direct),
        max_age=config.ttl or 0,
        max_bytes=config.max_bytes,
        max_msgs_per_subject=config.history,
        num_replicas=config.replicas,
        description=config.description,
    )
    return await _apply_stream(jetstream, wanted) if wanted != present else Change.UNCHANGED


async def _apply_object_store(jetstream: JetStreamContext, config: ObjectStoreConfig) -> Change:
    created = False
    try:
        await jetstream.object_store(str(config.bucket))
    except (BucketNotFoundError, NotFoundError):
        await jetstream.create_object_store(str(config.bucket), config)
        created = True
    # nats-py makes object stores that refuse new objects when they are full. Ours are caches: the oldest make room.
    present = (await jetstream.stream_info(f"OBJ_{config.bucket}")).config
    wanted = replace(
        present,
        discard=DiscardPolicy.OLD,
        max_age=config.ttl or 0,
        max_bytes=config.max_bytes,
        num_replicas=config.replicas,
        description=config.description,
    )
    change = await _apply_stream(jetstream, wanted) if wanted != present else Change.UNCHANGED
    return Change.CREATED if created else change


async def _apply_to(url: str, credentials: str | None, replicas: int) -> tuple[Applied, ...]:
    told: list[Exception] = []

    async def tell(error: Exception) -> None:
        told.append(error)

    client = await nats.connect(
        url.split(","),
        user_credentials=credentials,
        connect_timeout=_CONNECT_TIMEOUT_S,
        allow_reconnect=False,
        # Without these the first connection would be tried for two minutes.
        max_reconnect_attempts=1,
        reconnect_time_wait=0.2,
        error_cb=tell,
    )
    try:
        return await apply(client.jetstream(), replicas=replicas)
    except TimeoutError as error:
        # A user without permission gets no answer; the server says so on the side.
        raise (told[-1] if told else error) from error
    finally:
        await client.close()


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
    parser.add_argument("--replicas", type=int, choices=(1, 3), default=1, help="copies of each stream (%(default)s)")
    given = parser.parse_args()
    try:
        done = asyncio.run(_apply_to(given.url, given.credentials or None, given.replicas))
    except (Error, OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        sys.stderr.write(f"earshot_topology.apply: the topology could not be applied to {given.url}: {reason}\n")
        raise SystemExit(1) from None
    for one in done:
        sys.stdout.write(f"{one.kind} {one.name}: {one.change}\n")


if __name__ == "__main__":
    main()
