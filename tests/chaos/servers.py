"""How the servers of the bus are: who leads, and whether all of them have everything."""

from __future__ import annotations

import asyncio
from typing import Final

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import PeerInfo, StreamInfo
from nats.js.errors import APIError

SERVER: Final = "nats-server"
# What a turn or a timer is stored on: those whose loss, or lag, would make a second fault of the next one.
_STREAMS: Final = (
    *("UTTERANCES", "TURNS", "OUTCOMES", "DEADLINES", "DEVICE_EVENTS", "KV_SESSIONS"),
    *("OCCURRENCES", "DIRECTIVES", "KV_SCHEDULES"),
)
_LOOK_S: Final = 0.2
# Entries that a follower may be behind: with traffic, some are always on their way to it.
_ON_THEIR_WAY: Final = 10
# Three seconds in a row.
_LOOKS_AFTER_FAULT: Final = 15


class Servers:
    """Asks JetStream, as its administrator.

    Attributes:
        told: Which streams were not whole when last looked at.
    """

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream
        self.told = ""

    async def leader(self) -> str:
        """Return the process that leads the stream of outcomes; empty while none does."""
        info = await self._info("OUTCOMES")
        return (info.cluster.leader or "") if info is not None and info.cluster is not None else ""

    async def whole(self, *, after_fault: bool) -> None:
        """Wait until every server has everything.

        Args:
            after_fault: Whether one was away just now: what leaders tell of it is some seconds old.
        """
        seen = 0
        while seen < (_LOOKS_AFTER_FAULT if after_fault else 1):
            # Python 3.11's wait_for forgets a cancellation that comes together with an answer.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError
            self.told = ", ".join([stream for stream in _STREAMS if not _is_whole(await self._info(stream))])
            seen = 0 if self.told else seen + 1
            await asyncio.sleep(_LOOK_S)

    async def _info(self, stream: str) -> StreamInfo | None:
        try:
            return await self._jetstream.stream_info(stream)
        except (NatsError, APIError, OSError):
            return None


def _is_whole(info: StreamInfo | None) -> bool:
    if info is None:
        return False
    cluster = info.cluster
    if cluster is None or info.config.num_replicas in (None, 1):
        return True
    return bool(cluster.leader) and all(map(_follows, cluster.replicas or []))


def _follows(peer: PeerInfo) -> bool:
    return not peer.offline and (bool(peer.current) or 0 < (peer.lag or 0) <= _ON_THEIR_WAY)
