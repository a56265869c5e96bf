"""The OUTCOMES stream: where a turn's one outcome is claimed and read back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from nats.errors import Error as NatsError
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.errors import PermanentError, RetryableError
from earshot_topology.subjects import DeviceAddress

_STREAM = "OUTCOMES"
_PATIENCE = 40
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A segment as it stands on the stream."""

    outcome: outcome_pb2.Outcome
    sequence: int


class OutcomeLedger:
    """Claims and reads outcomes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def claim(self, subject: str, outcome: outcome_pb2.Outcome) -> int:
        """Store a segment behind the one whose sequence it expects; return its own sequence.

        Raises:
            ConflictError: Another segment stands there; perhaps this one, from an attempt whose answer was lost.
            RetryableError: Nobody acknowledged.
        """
        stored = await self._bus.publish(subject, outcome, expected_last_subject_sequence=outcome.expected_sequence)
        return stored.sequence

    async def last(self, subject: str) -> Recorded | None:
        """Return a turn's last segment; None when it has none.

        Raises:
            RetryableError: Nobody answered.
        """
        try:
            message = await self._bus.jetstream.get_msg(_STREAM, subject=subject, direct=True)
        except NotFoundError:
            return None
        except (NatsError, APIError, OSError) as error:
            raise RetryableError(f"{_STREAM}: {type(error).__name__}", code="bus_unavailable") from error
        return _recorded(message)

    async def last_of(self, address: DeviceAddress) -> outcome_pb2.Outcome | None:
        """Return the last outcome of a device, whichever turn it ended; None when there is none any more.

        Raises:
            RetryableError: Nobody answered.
        """
        subject = f"turn.outcome.{address.household}.{address.device}.*"
        try:
            message = await self._bus.jetstream.get_msg(_STREAM, subject=subject)
        except NotFoundError:
            return None
        except (NatsError, APIError, OSError) as error:
            raise RetryableError(f"{_STREAM}: {type(error).__name__}", code="bus_unavailable") from error
        return _recorded(message).outcome

    async def all(self, subject: str) -> tuple[Recorded, ...]:
        """Return all segments of a turn, in order.

        Raises:
            RetryableError: Nobody answered.
        """
        found: list[Recorded] = []
        after = 1
        while True:
            try:
                message = await self._bus.jetstream.get_msg(_STREAM, seq=after, subject=subject, direct=True, next=True)
            except NotFoundError:
                return tuple(found)
            except (NatsError, APIError, OSError) as error:
                raise RetryableError(f"{_STREAM}: {type(error).__name__}", code="bus_unavailable") from error
            found.append(_recorded(message))
            if found[-1].outcome.final:
                return tuple(found)
            after = found[-1].sequence + 1

    async def standing(self, subject: str) -> tuple[Recorded, ...]:
        """Return all segments of a turn that is known to have at least one.

        A direct read may be answered by a server that lags behind the one that refused the claim: it is repeated.

        Raises:
            RetryableError: Nobody answered, or there still is none after two seconds.
        """
        for _ in range(_PATIENCE):
            found = await self.all(subject)
            if found:
                return found
            await asyncio.sleep(_PAUSE_S)
        raise RetryableError("refused, but nothing stands there", code="outcome_unreadable")


def _recorded(message: RawStreamMsg) -> Recorded:
    try:
        outcome = outcome_pb2.Outcome.FromString(message.data or b"")
    except DecodeError as error:
        raise PermanentError("an outcome on the stream can't be read", code="outcome_unreadable") from error
    return Recorded(outcome=outcome, sequence=message.seq or 0)
