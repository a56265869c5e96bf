"""Publishing: to streams with acknowledgement and retries, to core subjects without either."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import Message
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js import JetStreamContext
from nats.js.errors import APIError, ServiceUnavailableError

from earshot_chassis import telemetry
from earshot_chassis.codec import CONTENT_TYPE, content_type, encode
from earshot_chassis.consuming import backoff_s
from earshot_chassis.errors import (
    ConflictError,
    EarshotError,
    InvalidInputError,
    OverloadedError,
    PermanentError,
    RetryableError,
)

_WRONG_LAST_SEQUENCE = 10071
# An account's, the server's memory's and disk's, and a stream's own limit: there is room again when others have read.
STORAGE_FULL = frozenset({10002, 10023, 10028, 10047, 10077})
# Of an earlier message with that id, or for that subject, the leader can't tell yet whether it is stored: it is without a
# majority, and may be replaced.
_UNDECIDED = frozenset({10158, 10164})
# For so long after a refusal a service tells that there is no room, unless something was stored since.
_FULL_FOR_S = 10.0
_ATTEMPT_TIMEOUT_S = 2.0
# A stream whose leader died answers again within seconds, and somebody is waiting for what is published.
_LONGEST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stream's acknowledgement.

    Attributes:
        stream: Name of the stream.
        sequence: The message's sequence on it.
        duplicate: Whether the stream had the message already, by its Nats-Msg-Id.
    """

    stream: str
    sequence: int
    duplicate: bool


class Publisher:
    """Publishes protobuf messages with trace context and content type."""

    def __init__(self, client: Client, jetstream: JetStreamContext) -> None:
        self._client = client
        self._jetstream = jetstream
        self._full_until = 0.0

    @property
    def storage_full(self) -> bool:
        """Whether a stream lately had no room for what was published, and nothing was stored since."""
        return time.monotonic() < self._full_until

    async def publish(
        self,
        subject: str,
        message: Message,
        *,
        headers: Mapping[str, str] | None = None,
        msg_id: str | None = None,
        expected_last_subject_sequence: int | None = None,
        retry_for_s: float = 10.0,
    ) -> Stored:
        """Store a message on the stream that owns the subject; repeat while the stream can't be reached.

        Args:
            subject: Concrete subject.
            message: Protobuf message.
            headers: More headers.
            msg_id: Lets the stream drop a repetition within its duplicate window. Saves work, decides nothing.
            expected_last_subject_sequence: Compare-and-set on the subject; 0: nobody has published to it.
            retry_for_s: How long to go on when nobody answers.

        Raises:
            ConflictError: The compare-and-set lost. With retries this may be by an earlier attempt of our own: read
                back and compare.
            InvalidInputError: The message is larger than the server takes.
            PermanentError: The stream refuses the message.
            OverloadedError: Streams had no room all the time; "storage_full".
            RetryableError: Nobody answered in time; "bus_unavailable".
        """
        lines = self._headers(message, headers)
        if msg_id is not None:
            lines["Nats-Msg-Id"] = msg_id
        if expected_last_subject_sequence is not None:
            lines["Nats-Expected-Last-Subject-Sequence"] = str(expected_last_subject_sequence)
        return await self.store(subject, encode(message), lines, retry_for_s=retry_for_s)

    async def store(
        self, subject: str, payload: bytes, headers: Mapping[str, str], *, retry_for_s: float = 10.0
    ) -> Stored:
        """Store bytes as they are; `publish` tells the errors."""
        give_up = time.monotonic() + retry_for_s
        attempt = 0
        while True:
            attempt += 1
            try:
                ack = await self._jetstream.publish(subject, payload, headers=dict(headers), timeout=_ATTEMPT_TIMEOUT_S)
            except MaxPayloadError as error:
                raise InvalidInputError(f"{len(payload)} bytes are too many", code="message_too_large") from error
            except APIError as error:
                raise_unless_retryable(error)
                if error.err_code in STORAGE_FULL:
                    self._full_until = time.monotonic() + _FULL_FOR_S
                failure: Exception = error
            except (NatsError, OSError) as error:
                failure = error
            else:
                self._full_until = 0.0
                return Stored(stream=ack.stream, sequence=ack.seq, duplicate=bool(ack.duplicate))
            wait = min(backoff_s(attempt), _LONGEST_WAIT_S * random.uniform(0.5, 1))  # noqa: S311 - jitter
            if time.monotonic() + wait >= give_up:
                raise self._given_up(failure)
            await asyncio.sleep(wait)

    async def send(self, subject: str, message: Message, *, headers: Mapping[str, str] | None = None) -> None:
        """Publish to a core subject: at most once, nobody acknowledges."""
        await self._client.publish(subject, encode(message), headers=self._headers(message, headers))

    @staticmethod
    def _given_up(failure: Exception) -> EarshotError:
        if isinstance(failure, APIError) and failure.err_code in STORAGE_FULL:
            return OverloadedError(f"no room to store it: {failure.description}", code="storage_full")
        return RetryableError(f"no stream acknowledged: {type(failure).__name__}", code="bus_unavailable")

    @staticmethod
    def _headers(message: Message, headers: Mapping[str, str] | None) -> dict[str, str]:
        lines = dict(headers) if headers else {}
        lines[CONTENT_TYPE] = content_type(type(message))
        telemetry.inject_message(lines)
        return lines


def raise_unless_retryable(error: APIError) -> None:
    """Raise a stream's refusal, unless another attempt may succeed.

    Raises:
        ConflictError: A compare-and-set lost.
        PermanentError: The stream refuses the message.
    """
    if error.err_code == _WRONG_LAST_SEQUENCE:
        raise ConflictError("another message is the subject's last", code="sequence_conflict") from error
    if isinstance(error, ServiceUnavailableError) or (error.code or 0) >= 500:
        return
    if error.err_code in STORAGE_FULL | _UNDECIDED:
        return
    raise PermanentError(f"the stream refused: {error.description}", code="stream_refused") from error
