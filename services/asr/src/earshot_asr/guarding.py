"""Keeps one household from pushing the frames of others out of the capture.

The AUDIO stream drops its oldest frames when it is full, whosever they are, and knows a bound for each turn, but none for a
household, which may name as many turns as it likes. So when it fills up, every worker looks whose frames it holds and purges
those of a household that has more than its share. Live listeners hear frames without the capture; what a household loses
is that another worker could take its utterances over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from earshot_chassis import telemetry
from earshot_topology.subjects import DeviceAddress, InvalidTokenError

_STREAM: Final = "AUDIO"
_LOOK_S: Final = 2.0
# How full it is before anybody looks closer, and how much of it one household may have: more than an hour of speech.
_FILLING: Final = 0.25
_SHARE: Final = 0.125
_MOST_HOUSEHOLDS: Final = 500
_PURGED = telemetry.counter("earshot.asr.capture_purged", "Households whose captured frames were too many.")
_log = telemetry.logger("guarding")


class CaptureGuard:
    """Looks at the capture now and then."""

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream

    async def keep(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look()
            except (NatsError, APIError, OSError) as error:
                _log.info("capture_not_seen", error=type(error).__name__)

    async def look(self) -> list[str]:
        """Purge the frames of households that have too many; return whose.

        Raises:
            NatsError, APIError: The server did not answer, or refused.
        """
        info = await self._jetstream.stream_info(_STREAM)
        limit = info.config.max_bytes or 0
        if limit <= 0 or info.state.bytes < _FILLING * limit:
            return []
        found = await self._jetstream.stream_info(_STREAM, subjects_filter="device.>")
        frames: Counter[str] = Counter()
        for subject, count in (found.state.subjects or {}).items():
            try:
                frames[DeviceAddress.of(subject).household] += count
            except InvalidTokenError:
                continue
        purged = [
            household
            for household, count in frames.most_common(_MOST_HOUSEHOLDS)
            if count * await self._size(household) > _SHARE * limit
        ]
        for household in purged:
            await self._jetstream.purge_stream(_STREAM, subject=_frames(household))
            _PURGED.add(1)
            _log.warning("capture_purged", reason="one household filled it")
        return purged

    async def _size(self, household: str) -> int:
        """Return the size of a household's last frame, which stands for all of them."""
        try:
            last = await self._jetstream.get_last_msg(_STREAM, _frames(household))
        except NotFoundError:
            return 0
        return len(last.data or b"") + len(last.subject or "")


def _frames(household: str) -> str:
    return f"device.{household}.*.up.audio.*"
