"""Counters that all workers share: one publish to a JetStream counter, whose acknowledgement tells the new value.

A turn is counted once, however often it is delivered or announced: the server knows it by its id, and tells under which
number and for which start it was counted. When the counter does not answer (its leader is being elected), it is left alone for some seconds,
and workers count for themselves: a household may then use as much as its quota at each of them, and no turn is held up.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from earshot_chassis import telemetry

_STREAM: Final = "QUOTAS"
_START: Final = "Earshot-Start"
_PATIENCE_S: Final = 0.5
_AWAY_S: Final = 2.0
_AWAY = telemetry.counter("earshot.asr.quota_counter_away", "Times that the counter of quotas did not answer.")
_log = telemetry.logger("counting")


@dataclass(frozen=True, slots=True)
class Counted:
    """What a counter said.

    Attributes:
        value: Which one this was; None where that is not known any more.
        repeated: Whether it had been counted before.
        start: For which start event it was counted; 0 where that is not known any more.
    """

    value: int | None
    repeated: bool = False
    start: int = 0


class SharedCounter:
    """Counts on the bus.

    Args:
        client: The connection.
        away_s: How long a counter that did not answer is left alone.
    """

    def __init__(self, client: Client, *, away_s: float = _AWAY_S) -> None:
        self._client = client
        self._away_s = away_s
        self._away_until = 0.0

    async def count(self, subject: str, key: str, start: int = 0) -> Counted | None:
        """Count a key on a subject, once, for a start event; None when the counter does not answer."""
        if time.monotonic() < self._away_until:
            return None
        try:
            headers = {"Nats-Incr": "+1", "Nats-Msg-Id": key, _START: str(start)}
            told = _told(await self._client.request(subject, timeout=_PATIENCE_S, headers=headers))
            if not told.get("duplicate"):
                return Counted(int(told["val"]), start=start)
            return await self._earlier(int(told["seq"]))
        except (NatsError, OSError, ValueError, KeyError) as error:
            self._away_until = time.monotonic() + self._away_s
            _AWAY.add(1)
            _log.warning("counter_away", error=type(error).__name__)
            return None

    async def _earlier(self, sequence: int) -> Counted:
        """Return how a message was counted."""
        request = json.dumps({"seq": sequence}).encode()
        reply = await self._client.request(f"$JS.API.DIRECT.GET.{_STREAM}", request, timeout=_PATIENCE_S)
        told = _told(reply)
        value = int(told["val"]) if "val" in told else None
        return Counted(value, repeated=True, start=int((reply.headers or {}).get(_START, 0)))


def _told(reply: Msg) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(reply.data) if reply.data else {}
    if "error" in told:
        raise ValueError(told["error"].get("description", "refused"))
    return told
