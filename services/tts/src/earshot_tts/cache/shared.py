"""The object store as a cache: one object a sentence.

Writing is nats-py's own. Reading is not: its `get` makes a consumer for each object, which takes the server longer
than espeak takes to speak the sentence again. Two direct gets read the same object: its newest meta message, and its
chunks.
"""

from __future__ import annotations

import base64
import json
from typing import Protocol

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from earshot_chassis.errors import RetryableError
from earshot_tts.direct import read_subject


class SharedCacheError(Exception):
    """The shared cache can't be read or written at the moment."""


class SharedCache(Protocol):
    """Bytes by key, for every worker."""

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under a key, None where there is nothing.

        Raises:
            SharedCacheError: It can't be asked.
        """

    async def put(self, key: str, blob: bytes) -> None:
        """Keep bytes under a key.

        Raises:
            SharedCacheError: They can't be kept.
        """


class ObjectStoreCache:
    """A bucket of the object store.

    Args:
        client: Connected client.
        jetstream: Its JetStream context.
        bucket: Name of a bucket that exists.
    """

    def __init__(self, client: Client, jetstream: JetStreamContext, bucket: str) -> None:
        self._client = client
        self._jetstream = jetstream
        self._bucket = bucket
        self._stream = f"OBJ_{bucket}"
        self._store: ObjectStore | None = None

    async def get(self, key: str) -> bytes | None:
        """Return an object's bytes; None where it is missing, or some of its chunks are."""
        name = base64.urlsafe_b64encode(key.encode()).decode()
        try:
            meta = await self._jetstream.get_last_msg(self._stream, f"$O.{self._bucket}.M.{name}", direct=True)
        except NotFoundError:
            return None
        except (NatsError, JetStreamError, OSError) as error:
            raise SharedCacheError(f"reading failed: {type(error).__name__}") from error
        try:
            info = json.loads(meta.data or b"{}")
            nuid, size = str(info["nuid"]), int(info["size"])
        except (ValueError, KeyError, TypeError) as error:
            raise SharedCacheError("an object's description can't be read") from error
        if info.get("deleted"):
            return None
        try:
            chunks = await read_subject(self._client, self._stream, f"$O.{self._bucket}.C.{nuid}")
        except (RetryableError, NatsError, OSError) as error:
            raise SharedCacheError(f"reading failed: {type(error).__name__}") from error
        blob = b"".join(chunk.payload for chunk in chunks)
        return blob if len(blob) == size else None

    async def put(self, key: str, blob: bytes) -> None:
        """Store an object."""
        try:
            if self._store is None:
                self._store = await self._jetstream.object_store(self._bucket)
            await self._store.put(key, blob)
        except (NatsError, JetStreamError, OSError) as error:
            raise SharedCacheError(f"writing failed: {type(error).__name__}") from error
