"""What JetStream must hold, as the server itself describes it: buckets and object stores are streams there (ADR-8, ADR-20)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from nats.js.api import (
    ConsumerConfig,
    DiscardPolicy,
    KeyValueConfig,
    ObjectStoreConfig,
    StreamConfig,
)

from earshot_topology.streams import BUCKETS, CONSUMERS, OBJECT_STORES, STREAMS

_DUPLICATE_WINDOW_S = 120.0


class Kind(StrEnum):
    """What is declared."""

    STREAM = "stream"
    CONSUMER = "consumer"
    BUCKET = "bucket"
    OBJECT_STORE = "object store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One thing that JetStream must hold.

    Attributes:
        kind: What it is.
        name: What people call it; a consumer's is <stream>/<durable>.
        stream: Its stream's name on the server.
        config: Its stream's configuration, or the consumer's.
    """

    kind: Kind
    name: str
    stream: str
    config: StreamConfig | ConsumerConfig


def declarations(replicas: int) -> Iterator[Declaration]:
    """Yield everything that is declared, in the order in which it can be created.

    Args:
        replicas: Copies of each; 1 or 3.
    """
    for config in STREAMS:
        name = str(config.name)
        yield Declaration(kind=Kind.STREAM, name=name, stream=name, config=replace(config, num_replicas=replicas))
    for consumer in CONSUMERS:
        yield Declaration(
            kind=Kind.CONSUMER,
            name=f"{consumer.stream}/{consumer.durable}",
            stream=consumer.stream,
            config=consumer.config(replicas),
        )
    for bucket in BUCKETS:
        stream = f"KV_{bucket.bucket}"
        yield Declaration(kind=Kind.BUCKET, name=bucket.bucket, stream=stream, config=_bucket(bucket, stream, replicas))
    for store in OBJECT_STORES:
        stream = f"OBJ_{store.bucket}"
        yield Declaration(
            kind=Kind.OBJECT_STORE, name=str(store.bucket), stream=stream, config=_object_store(store, stream, replicas)
        )


def _bucket(config: KeyValueConfig, stream: str, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream,
        description=config.description,
        subjects=[f"$KV.{config.bucket}.>"],
        allow_direct=bool(config.direct),
        allow_rollup_hdrs=True,
        allow_msg_ttl=True,
        deny_delete=True,
        discard=DiscardPolicy.NEW,
        duplicate_window=min(config.ttl or _DUPLICATE_WINDOW_S, _DUPLICATE_WINDOW_S),
        max_age=config.ttl,
        max_bytes=config.max_bytes,
        max_msg_size=config.max_value_size,
        max_msgs_per_subject=config.history,
        num_replicas=replicas,
        storage=config.storage,
    )


def _object_store(config: ObjectStoreConfig, stream: str, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream,
        description=config.description,
        subjects=[f"$O.{config.bucket}.C.>", f"$O.{config.bucket}.M.>"],
        max_age=config.ttl,
        max_bytes=config.max_bytes,
        storage=config.storage,
        num_replicas=replicas,
        # ADR-20 has stores refuse new objects when they are full. Ours are caches: the oldest make room.
        discard=DiscardPolicy.OLD,
        allow_rollup_hdrs=True,
        allow_direct=True,
    )
