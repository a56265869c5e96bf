"""Key-value buckets: one read, one compare-and-set write, both single requests."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field

from nats.errors import Error as NatsError

from earshot_chassis.bus import Bus
from earshot_chassis.errors import RetryableError

_TIMEOUT_S = 2.0
# "No message found": a missing bucket has another code.
NO_MESSAGE = 10037
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

    Reads go to the stream's leader: a follower may not have the last write yet.
    """

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."

    async def read(self, key: str) -> Entry:
        """Return what a key holds.

        The request is made by hand: nats-py's own reads headers with the e-mail parser, which doubles its cost.

        Raises:
            RetryableError: Nobody answered.
        """
        request = json.dumps({"last_by_subj": self._prefix + key}).encode()
        try:
            answer = await self._bus.client.request(
                f"$JS.API.STREAM.MSG.GET.{self._stream}", request, timeout=_TIMEOUT_S
            )
        except (NatsError, OSError) as error:
            raise RetryableError(f"{self._stream}: {type(error).__name__}", code="bus_unavailable") from error
        told = json.loads(answer.data)
        if "error" in told:
            if told["error"].get("err_code") == NO_MESSAGE:
                return _NOTHING
            raise RetryableError(f"{self._stream}: {told['error'].get('description')}", code="bus_unavailable")
        message = told["message"]
        headers = _headers(message.get("hdrs", ""))
        # A deletion marker has a revision of its own, which the next write has to expect.
        value = None if "KV-Operation" in headers else b64decode(message.get("data", ""))
        return Entry(revision=message["seq"], value=value, headers=headers)

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


def _headers(encoded: str) -> dict[str, str]:
    lines = b64decode(encoded).decode().split("\r\n")[1:]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
