"""Key-value buckets as the dialogue uses them: one read, one compare-and-set write, both single requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from earshot_chassis.bus import Bus
from earshot_chassis.errors import RetryableError

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a key holds; revision 0 and no value: nothing."""

    revision: int = 0
    value: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


_NOTHING = Entry()


class Bucket:
    """One bucket.

    Reads go to the stream's leader: a follower may not have the write of the turn before yet.
    """

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."

    async def read(self, key: str) -> Entry:
        """Return what a key holds.

        Raises:
            RetryableError: Nobody answered.
        """
        subject = self._prefix + key
        try:
            message = await self._bus.jetstream.get_msg(self._stream, subject=subject)
        except NotFoundError:
            return _NOTHING
        except (NatsError, APIError, OSError) as error:
            raise RetryableError(f"{self._stream}: {type(error).__name__}", code="bus_unavailable") from error
        headers = message.headers or {}
        # A deletion marker has a revision of its own, which the next write has to expect.
        value = None if "KV-Operation" in headers else message.data or b""
        return Entry(revision=message.seq or 0, value=value, headers=headers)

    async def write(
        self, key: str, value: bytes, *, expected_revision: int, headers: Mapping[str, str] | None = None
    ) -> int:
        """Write a key that is still at the expected revision (0: not there); return its new revision.

        Raises:
            ConflictError: It is not; perhaps by an earlier attempt of this very write.
            RetryableError: Nobody acknowledged.
        """
        lines = {**(headers or {}), _EXPECTED: str(expected_revision)}
        return (await self._bus.store(self._prefix + key, value, lines)).sequence
