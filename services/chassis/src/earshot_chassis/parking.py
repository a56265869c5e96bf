"""The dead-letter stream: what can't be processed is kept with everything that is needed to look at it and replay it.

A parked message is the original payload and the original headers, plus Earshot-Parked-* headers that say where it came
from and why it was given up. Publishing it again to Earshot-Parked-Subject without those headers is the replay.

Each tenant has a subject of its own, parked.<service>.<tenant>, on which the stream keeps so many messages: nobody's
rubbish pushes out what was parked of others. Whose a message is, the service's own code knows; see `Tenant`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from google.protobuf.message import Message
from nats.aio.msg import Msg

from earshot_chassis.consuming import Delivery, DurableConsumer
from earshot_chassis.errors import EarshotError

PREFIX = "Earshot-Parked-"

Tenant = Callable[[str, Message | None], str]
"""Tells whose a message is, by its subject and, where it can be read, its content; empty where nobody can tell."""

_NOBODY = "_"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _nobodys(_subject: str, _message: Message | None) -> str:
    return ""


class StorePayload(Protocol):
    """Stores a payload on the stream that owns the subject."""

    def __call__(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> Awaitable[object]:
        """Store it; retries, and raises RetryableError when nobody answers."""


class Parking:
    """Parks messages for one service.

    Attributes:
        tenant: Tells whose a message is.
    """

    def __init__(self, service: str, store: StorePayload) -> None:
        self.tenant: Tenant = _nobodys
        self._service = service
        self._store = store

    async def park(
        self, raw: Msg, consumer: DurableConsumer, error: EarshotError, delivery: Delivery, message: Message | None
    ) -> None:
        """Store one message with its reason; idempotent within the stream's duplicate window."""
        kept = {name: value for name, value in delivery.headers.items() if not name.lower().startswith("nats-")}
        reasons = {
            "Subject": raw.subject,
            "Stream": consumer.stream,
            "Stream-Sequence": str(delivery.stream_sequence),
            "Consumer": consumer.durable,
            "Delivery-Count": str(delivery.num_delivered),
            "Code": error.code,
            "Reason": _one_line(str(error)),
            "Stage": error.stage,
        }
        headers = kept | {PREFIX + name: value for name, value in reasons.items() if value}
        headers["Nats-Msg-Id"] = f"{consumer.stream}.{consumer.durable}.{delivery.stream_sequence}"
        tenant = self.tenant(raw.subject, message)
        tenant = tenant if _TOKEN.fullmatch(tenant) else _NOBODY
        await self._store(f"parked.{self._service}.{tenant}", raw.data, headers)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
