"""Batched direct gets: every stored message on one subject by one request, without a consumer (ADR-31 of nats.io)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg

from earshot_chassis.errors import RetryableError

_BATCH = 500
_TIMEOUT_S = 2.0
_END_OF_BATCH = "204"
_NOTHING = "404"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of a stream: its sequence and its payload."""

    sequence: int
    payload: bytes


async def read_subject(
    client: Client, stream: str, subject: str, *, from_sequence: int = 1, timeout_s: float = _TIMEOUT_S
) -> list[StoredMessage]:
    """Return what a stream that allows direct gets holds on a subject, oldest first.

    Args:
        client: Connected client.
        stream: Name of the stream.
        subject: Concrete subject.
        from_sequence: First stream sequence that is wanted.
        timeout_s: How long each answer may take.

    Raises:
        RetryableError: capture_unavailable: nobody answered, or with an error.
    """
    found: list[StoredMessage] = []
    pending = 1
    while pending:
        batch, pending = await _batch(client, stream, subject, from_sequence, timeout_s)
        found += batch
        if not batch:
            break
        from_sequence = batch[-1].sequence + 1
    return found


async def count_subject(client: Client, stream: str, subject: str, *, timeout_s: float = _TIMEOUT_S) -> int:
    """Return how many messages a stream holds on a subject.

    Raises:
        RetryableError: capture_unavailable: nobody answered, or with an error.
    """
    first, pending = await _batch(client, stream, subject, 1, timeout_s, size=1)
    return len(first) + pending


async def _batch(
    client: Client, stream: str, subject: str, from_sequence: int, timeout_s: float, *, size: int = _BATCH
) -> tuple[list[StoredMessage], int]:
    answers: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=answers.put)
    request = {"seq": from_sequence, "next_by_subj": subject, "batch": size}
    found: list[StoredMessage] = []
    try:
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(request).encode(), reply=inbox)
        while True:
            async with asyncio.timeout(timeout_s):
                answer = await answers.get()
            headers = answer.headers or {}
            status = headers.get("Status")
            if status == _NOTHING:
                return found, 0
            if status == _END_OF_BATCH:
                return found, int(headers.get("Nats-Num-Pending", "0"))
            if status is not None:
                raise RetryableError(f"direct get on {stream} answered {status}", code="capture_unavailable")
            found.append(StoredMessage(int(headers["Nats-Sequence"]), answer.data))
    except TimeoutError as error:
        raise RetryableError(f"direct get on {stream} was not answered", code="capture_unavailable") from error
    finally:
        await subscription.unsubscribe()
