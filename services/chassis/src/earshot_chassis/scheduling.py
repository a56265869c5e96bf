"""Scheduled messages: stored now, published by the server at a moment (nats-server 2.12 and later).

A scheduled message lies on a subject of its own; publishing to it again moves it, purging it cancels it. When it is due
the server publishes it, with its payload and its headers, to the target subject of the same stream, and forgets it. One
whose moment is past is due at once. Such a stream has no maximum age, which would delete what is still to come: what was
due stays on it until it is purged behind its reader.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from google.protobuf.message import Message
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from earshot_chassis import telemetry
from earshot_chassis.bus import Bus
from earshot_chassis.consuming import DurableConsumer
from earshot_chassis.publishing import Publisher, Stored

_PURGE_EVERY_S = 60.0
_log = telemetry.logger("scheduling")


def schedule_headers(at: datetime, target: str) -> dict[str, str]:
    """Return the headers that make a message a scheduled one; for those that publish by hand."""
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"Nats-Schedule": f"@at {stamp}", "Nats-Schedule-Target": target}


async def publish_at(
    publisher: Publisher,
    subject: str,
    message: Message,
    at: datetime,
    *,
    target: str,
    headers: Mapping[str, str] | None = None,
    expected_last_subject_sequence: int | None = None,
    retry_for_s: float = 10.0,
) -> Stored:
    """Have a message published at a moment; where one is scheduled on the subject, it takes its place.

    Args:
        publisher: The bus.
        subject: Where it waits; a subject of its own.
        message: What is published then.
        at: The moment; in the past: at once.
        target: Where it is published, on the same stream.
        headers: More headers.
        expected_last_subject_sequence: 0: leave what is scheduled on the subject as it is.
        retry_for_s: How long to go on when nobody answers.

    Raises:
        ConflictError: Something is scheduled there already.
        RetryableError: No stream acknowledged.
    """
    return await publisher.publish(
        subject,
        message,
        headers={**(headers or {}), **schedule_headers(at, target)},
        expected_last_subject_sequence=expected_last_subject_sequence,
        retry_for_s=retry_for_s,
    )


async def withdraw(bus: Bus, stream: str, subject: str) -> None:
    """Cancel what is scheduled on a subject, as best effort.

    Nobody waits for the server, so what becomes due all the same must be recognised as obsolete.
    """
    with suppress(NatsError, OSError):
        # Without a reply subject the server purges and says nothing.
        await bus.client.publish(f"$JS.API.STREAM.PURGE.{stream}", json.dumps({"filter": subject}).encode())


class DuePurger:
    """Purges messages that were due and have been read.

    Args:
        bus: The bus.
        consumer: Who reads what is due; its filter is the schedules' target.
    """

    def __init__(self, bus: Bus, consumer: DurableConsumer) -> None:
        self._bus = bus
        self._consumer = consumer

    async def keep_purging(self) -> None:
        """Purge now and then, for ever."""
        while True:
            await asyncio.sleep(_PURGE_EVERY_S)
            try:
                await self.purge()
            except (NatsError, APIError, OSError) as error:
                _log.warning("purge_failed", consumer=self._consumer.durable, error=type(error).__name__)

    async def purge(self) -> None:
        """Purge what every reader has acknowledged.

        Raises:
            NatsError, APIError: The server did not answer, or refused.
        """
        jetstream = self._bus.jetstream
        info = await jetstream.consumer_info(self._consumer.stream, self._consumer.durable)
        if info.ack_floor is not None and info.ack_floor.stream_seq:
            await jetstream.purge_stream(
                self._consumer.stream, subject=self._consumer.filter_subject, seq=info.ack_floor.stream_seq + 1
            )
