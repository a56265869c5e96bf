"""Make JetStream hold what `streams` declares. Idempotent: applying twice changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nats.js.api import DiscardPolicy
from nats.js.errors import BadRequestError, BucketNotFoundError, NotFoundError

from earshot_topology.streams import BUCKETS, CONSUMERS, OBJECT_STORES, STREAMS

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import KeyValueConfig, ObjectStoreConfig, StreamConfig

_STREAM_NAME_IN_USE = 10058


async def apply(jetstream: JetStreamContext, *, replicas: int = 1) -> None:
    """Create or update every stream, consumer, bucket and object store.

    Args:
        jetstream: A context whose user may manage streams.
        replicas: Copies of each stream; 1 or 3.

    Raises:
        nats.js.errors.APIError: The server refuses a change, for instance of a stream's storage.
    """
    for config in STREAMS:
        await _apply_stream(jetstream, replace(config, num_replicas=replicas))
    for consumer in CONSUMERS:
        await jetstream.add_consumer(consumer.stream, consumer.config(replicas))
    for bucket in BUCKETS:
        await _apply_bucket(jetstream, replace(bucket, replicas=replicas))
    for store in OBJECT_STORES:
        await _apply_object_store(jetstream, replace(store, replicas=replicas))


async def _apply_stream(jetstream: JetStreamContext, config: StreamConfig) -> None:
    try:
        await jetstream.add_stream(config)
    except BadRequestError as error:
        if error.err_code != _STREAM_NAME_IN_USE:
            raise
        await jetstream.update_stream(config)


async def _apply_bucket(jetstream: JetStreamContext, config: KeyValueConfig) -> None:
    try:
        await jetstream.key_value(config.bucket)
    except (BucketNotFoundError, NotFoundError):
        await jetstream.create_key_value(config)
        return
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
    if wanted != present:
        await jetstream.update_stream(wanted)


async def _apply_object_store(jetstream: JetStreamContext, config: ObjectStoreConfig) -> None:
    try:
        await jetstream.object_store(str(config.bucket))
    except (BucketNotFoundError, NotFoundError):
        await jetstream.create_object_store(str(config.bucket), config)
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
    if wanted != present:
        await jetstream.update_stream(wanted)
