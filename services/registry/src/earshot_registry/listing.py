"""Reads the last entry of every key of a bucket in one request.

A direct "multi_last" read instead of a key-value watcher: a watcher is a consumer on one server of a cluster, and goes
silent when that server is lost; a read either answers or fails. 0.5 ms for a hundred keys.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from earshot_registry.errors import RegistryUnavailableError

_NO_MORE = "204"
_NO_RESULTS = "404"
_DELETIONS = ("DEL", "PURGE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Last entry of one key; `value` is None for a deletion marker."""

    key: str
    sequence: int
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A bucket at one moment.

    Attributes:
        entries: Last entry of every key, deletion markers included.
        last_sequence: Of the bucket, also where its entry is gone; 0 when nothing at all is listed.
    """

    entries: tuple[Entry, ...]
    last_sequence: int


async def list_bucket(
    client: Client, bucket: str, *, keys: str = ">", timeout_s: float = 2.0, api: str = "$JS.API"
) -> Listing:
    """List a bucket, or some keys of it, of at most 1,024 keys.

    Args:
        client: A connection that may read the bucket directly.
        bucket: Its name; it must have been made with `direct`.
        keys: Which; NATS wildcards allowed.
        timeout_s: Longest time for the whole listing, in seconds.
        api: Subject under which the connection's account has JetStream's API.

    Raises:
        RegistryUnavailableError: No answer in time, or the server refuses (413: more keys than that).
    """
    prefix = f"$KV.{bucket}."
    inbox = client.new_inbox()
    try:
        async with asyncio.timeout(timeout_s):
            subscription = await client.subscribe(inbox)
            try:
                request = json.dumps({"multi_last": [f"{prefix}{keys}"]}).encode()
                await client.publish(f"{api}.DIRECT.GET.KV_{bucket}", request, reply=inbox)
                entries: list[Entry] = []
                while (message := await subscription.next_msg(timeout=timeout_s)) is not None:
                    status = _status(message)
                    if status in {_NO_MORE, _NO_RESULTS}:
                        return Listing(entries=tuple(entries), last_sequence=_last_sequence(message))
                    if status is not None:
                        raise RegistryUnavailableError(f"the bucket {bucket} can't be listed: status {status}")
                    entries.append(_entry(message, prefix))
            finally:
                await subscription.unsubscribe()
    except (OSError, NatsError) as error:
        raise RegistryUnavailableError(f"the bucket {bucket} can't be listed: {type(error).__name__}") from error
    raise RegistryUnavailableError(f"the listing of bucket {bucket} ended early")


def _status(message: Msg) -> str | None:
    return (message.headers or {}).get("Status")


def _last_sequence(message: Msg) -> int:
    return int((message.headers or {}).get("Nats-UpTo-Sequence", 0))


def _entry(message: Msg, prefix: str) -> Entry:
    headers = message.headers or {}
    deleted = headers.get("KV-Operation") in _DELETIONS or "Nats-Marker-Reason" in headers
    return Entry(
        key=headers["Nats-Subject"].removeprefix(prefix),
        sequence=int(headers["Nats-Sequence"]),
        value=None if deleted else message.data,
    )
