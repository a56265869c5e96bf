"""Counters that all workers share: one publish to a JetStream counter, whose acknowledgement tells the new value.

A turn is counted once, however often it is delivered or announced: the server knows it by its id, and tells under which
number it was counted. When the counter does not answer (its leader is being elected), it is left alone for some seconds,
and workers count for themselves: a household may then use as much as its quota at each of them, and no turn is held up.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Final

from nats.aio.client import Client
from nats.errors import Error as NatsError

from earshot_chassis import telemetry

_STREAM: Final = "QUOTAS"
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
    """

    value: int | None
    repeated: bool = False


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

    async def count(self, subject: str, key: str) -> Counted | None:
        """Count a key on a subject, once; None when the counter does not answer."""
        if time.monotonic() < self._away_until:
            return None
        try:
            told = await self._ask(subject, b"", {"Nats-Incr": "+1", "Nats-Msg-Id": key})
            if not told.get("duplicate"):
                return Counted(int(told["val"]))
            return Counted(await self._earlier(int(told["seq"])), repeated=True)
        except (NatsError, OSError, ValueError, KeyError) as error:
            self._away_until = time.monotonic() + self._away_s
            _AWAY.add(1)
            _log.warning("counter_away", error=type(error).__name__)
            return None

    async def _earlier(self, sequence: int) -> int | None:
        """Return under which number a message was counted; None when it is gone."""
        request = json.dumps({"seq": sequence}).encode()
        told = await self._ask(f"$JS.API.DIRECT.GET.{_STREAM}", request, {})
        return int(told["val"]) if "val" in told else None

    async def _ask(self, subject: str, payload: bytes, headers: dict[str, str]) -> dict[str, Any]:
        reply = await self._client.request(subject, payload, timeout=_PATIENCE_S, headers=headers or None)
        told: dict[str, Any] = json.loads(reply.data) if reply.data else {}
        if "error" in told:
            raise ValueError(told["error"].get("description", "refused"))
        return told
