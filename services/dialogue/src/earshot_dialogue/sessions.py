"""Sessions in the SESSIONS bucket, under <household>.<device>."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from earshot_chassis import telemetry
from earshot_chassis.bus import Bus
from earshot_chassis.errors import ConflictError
from earshot_dialogue import wire
from earshot_dialogue.buckets import Bucket
from earshot_dialogue.errors import SessionContendedError
from earshot_dialogue.session import Session
from earshot_topology.streams import SESSIONS
from earshot_topology.subjects import DeviceAddress

_WRITES = 5
_log = telemetry.logger("sessions")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session as it was read, and the bucket's revision to write over."""

    session: Session | None
    revision: int


class SessionStore:
    """Reads and writes sessions."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = Bucket(bus, SESSIONS.bucket)

    async def read(self, address: DeviceAddress) -> StoredSession:
        """Return a device's session; one that can't be read is logged and taken as none.

        Raises:
            RetryableError: Nobody answered.
        """
        entry = await self._bucket.read(f"{address.household}.{address.device}")
        session = None
        if entry.value is not None:
            try:
                session = wire.to_session(entry.value)
            except DecodeError:
                _log.warning("unreadable_session", revision=entry.revision)
        return StoredSession(session=session, revision=entry.revision)

    async def update(
        self, address: DeviceAddress, stored: StoredSession, change: Callable[[Session | None], Session | None]
    ) -> None:
        """Write what a change makes of the session; read it again and repeat when somebody else was faster.

        Args:
            address: The device.
            stored: The session as it was read.
            change: Pure; returns None when nothing has to be written.

        Raises:
            SessionContendedError: Somebody else was faster each time.
            RetryableError: Nobody answered.
        """
        for _ in range(_WRITES):
            changed = change(stored.session)
            if changed is None:
                return
            payload = wire.from_session(changed).SerializeToString()
            try:
                await self._bucket.write(
                    f"{address.household}.{address.device}", payload, expected_revision=stored.revision
                )
            except ConflictError:
                stored = await self.read(address)
            else:
                return
        raise SessionContendedError(f"still contended after {_WRITES} attempts")
