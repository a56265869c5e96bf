"""Sessions in the SESSIONS bucket, under <household>.<device>."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.message import DecodeError

from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis import telemetry
from earshot_chassis.buckets import Bucket
from earshot_chassis.bus import Bus
from earshot_chassis.errors import ConflictError
from earshot_dialogue import wire
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.session import Session
from earshot_dialogue.errors import SessionContendedError
from earshot_topology.streams import ACK_WAIT_S, SESSIONS
from earshot_topology.subjects import DeviceAddress

_WRITES = 5
_RECENT = timedelta(minutes=1)
_CATCH_UP_S = ACK_WAIT_S + 1.0
_PAUSE_S = 0.02
_log = telemetry.logger("sessions")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session as it was read, and the bucket's revision to write over."""

    session: Session | None
    revision: int


class SessionStore:
    """Reads and writes sessions."""

    def __init__(self, bus: Bus, ledger: OutcomeLedger) -> None:
        self._bucket = Bucket(bus, SESSIONS.bucket)
        self._ledger = ledger

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

    async def caught_up(self, address: DeviceAddress, stored: StoredSession) -> StoredSession | None:
        """Return the session with the device's last turn in it, if it was read without; None when it was not behind.

        The turn's writer may still be at it; when it died, the turn is delivered again after the ack wait.

        Raises:
            RetryableError: Nobody answered.
        """
        last = await self._ledger.last_of(address)
        behind = stored.session.revision if stored.session else 0
        if last is None or last.session_revision <= behind or _is_old(last):
            return None
        for _ in range(int(_CATCH_UP_S / _PAUSE_S)):
            newer = await self.read(address)
            if newer.session is not None and newer.session.revision >= last.session_revision:
                return newer
            await asyncio.sleep(_PAUSE_S)
        _log.warning("session_behind", revision=behind, outcome_revision=last.session_revision)
        return None

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


def _is_old(outcome: outcome_pb2.Outcome) -> bool:
    # Its turn was given up, or the bucket was emptied: nobody is going to write it any more.
    return datetime.now(UTC) - outcome.decide_time.ToDatetime(tzinfo=UTC) > _RECENT
