"""Memory streams are made anew by those who read them, where the only server of a bus has forgotten them.

A nats-server that stands alone keeps no trace of a stream in memory over its restart, not even that there was one. A
cluster remembers; there, nothing is to be done.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nats.errors import Error as NatsError
from nats.js.errors import APIError

from earshot_topology.streams import Consumer, stream

if TYPE_CHECKING:
    from nats.js import JetStreamContext

_PATIENCE_S: Final = 10.0
_PAUSE_S: Final = 0.1
_TIMEOUT_S: Final = 1.0
# The stream is there, and somebody has declared it otherwise.
_IN_USE: Final = 10058


async def keep(jetstream: JetStreamContext, name: str, consumer: Consumer) -> bool:
    """See to it that a memory stream is there; call it at the start and after each new connection.

    Args:
        jetstream: The caller's.
        name: Of the stream.
        consumer: A consumer whose state the caller may read: it tells whether the bus is a cluster.

    Returns:
        Whether it is there; False: JetStream did not answer for a while.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                with suppress(NatsError, APIError, OSError):
                    return await _keep(jetstream, name, consumer)
                await asyncio.sleep(_PAUSE_S)
    return False


async def _keep(jetstream: JetStreamContext, name: str, consumer: Consumer) -> bool:
    info = await jetstream.consumer_info(consumer.stream, consumer.durable, timeout=_TIMEOUT_S)
    if info.cluster is None:
        try:
            await jetstream.add_stream(stream(name))
        except APIError as error:
            if error.err_code != _IN_USE:
                raise
    return True
