"""Sends devices again what they were told while they were away: directives outside an outcome, as long as they are kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot_chassis.buckets import NO_MESSAGE
from earshot_chassis.bus import Bus
from earshot_chassis.codec import CONTENT_TYPE, content_type
from earshot_chassis.errors import RetryableError
from earshot_dialogue.errors import InvalidRequestError
from earshot_dialogue.wire import to_moment
from earshot_topology.subjects import DeviceAddress, InvalidTokenError

# The subject and the queue that share the requests between replicas.
SUBJECT = "device.*.*.up.directives"
QUEUE = "dialogue"

_STREAM = "DIRECTIVES"
_TIMEOUT_S = 2.0
_MAXIMUM = 100
_END_OF_BATCH = "204"
_NOTHING = "404"
_LAGGING = 20
_PAUSE_S = 0.05
# The copies pass by the stream, which would take them for new ones and keep them for another day: a stream refuses what
# is meant for another, and the device hears it all the same.
_NOT_TO_BE_STORED = {"Nats-Expected-Stream": "none", CONTENT_TYPE: content_type(directive_pb2.Directive)}


class MissedDirectives:
    """Answers device.<household>.<device>.up.directives."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def resend(self, _request: upstream_pb2.DirectivesRequest, subject: str) -> upstream_pb2.DirectivesResponse:
        """Send the device what is kept for it and may still be carried out, oldest first; say how many.

        Raises:
            InvalidRequestError: The subject is not a device's.
            RetryableError: The bus did not answer.
        """
        try:
            directed = DeviceAddress.of(subject).directive()
        except InvalidTokenError as error:
            raise InvalidRequestError(str(error), code="invalid_id") from error
        wanted = still_wanted(await self._kept(directed), datetime.now(UTC))
        for directive in wanted:
            await self._bus.client.publish(directed, directive.SerializeToString(), headers=_NOT_TO_BE_STORED)
        return upstream_pb2.DirectivesResponse(directive_count=len(wanted))

    async def _kept(self, directed: str) -> list[bytes]:
        """Read the stream; a server that lags behind its leader is asked again."""
        last = await self._last(directed)
        for _ in range(_LAGGING):
            if not last:
                return []
            found = await self._batch(directed)
            if found and found[-1][0] >= last:
                return [payload for _, payload in found]
            await asyncio.sleep(_PAUSE_S)
        raise RetryableError(f"{_STREAM} lags behind its leader", code="bus_unavailable")

    async def _last(self, directed: str) -> int:
        """Return the sequence of the last directive, by the leader's word; 0 where there is none."""
        request = json.dumps({"last_by_subj": directed}).encode()
        try:
            answer = await self._bus.client.request(f"$JS.API.STREAM.MSG.GET.{_STREAM}", request, timeout=_TIMEOUT_S)
        except (NatsError, OSError) as error:
            raise RetryableError(f"{_STREAM}: {type(error).__name__}", code="bus_unavailable") from error
        told = json.loads(answer.data)
        if "error" in told:
            if told["error"].get("err_code") == NO_MESSAGE:
                return 0
            raise RetryableError(f"{_STREAM}: {told['error'].get('description')}", code="bus_unavailable")
        return int(told["message"]["seq"])

    async def _batch(self, directed: str) -> list[tuple[int, bytes]]:
        """Return sequences and payloads by one batched direct get: a stream keeps _MAXIMUM of a subject."""
        client, answers = self._bus.client, asyncio.Queue[Msg]()
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox, cb=answers.put)
        request = {"seq": 1, "next_by_subj": directed, "batch": _MAXIMUM}
        found: list[tuple[int, bytes]] = []
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{_STREAM}", json.dumps(request).encode(), reply=inbox)
            while True:
                async with asyncio.timeout(_TIMEOUT_S):
                    answer = await answers.get()
                headers = answer.headers or {}
                status = headers.get("Status")
                if status in {_END_OF_BATCH, _NOTHING}:
                    return found
                if status is not None:
                    raise RetryableError(f"{_STREAM} answered {status}", code="bus_unavailable")
                found.append((int(headers["Nats-Sequence"]), answer.data))
        except TimeoutError as error:
            raise RetryableError(f"{_STREAM} did not answer", code="bus_unavailable") from error
        finally:
            await subscription.unsubscribe()


def still_wanted(kept: Iterable[bytes], now: datetime) -> list[directive_pb2.Directive]:
    """Return the directives that a device may still carry out, each once, in order.

    Left out are those that have expired, those that can't be read, and a Ring whose StopRing is there too: a device that
    has lost its state would ring for a moment.
    """
    directives: dict[str, directive_pb2.Directive] = {}
    for payload in kept:
        try:
            directive = directive_pb2.Directive.FromString(payload)
        except DecodeError:
            continue
        expired = directive.HasField("expire_time") and to_moment(directive.expire_time) < now
        if directive.directive_id and not expired:
            directives.setdefault(directive.directive_id, directive)
    stopped = {one.stop_ring.occurrence_id for one in directives.values() if one.HasField("stop_ring")}
    return [one for one in directives.values() if not (one.HasField("ring") and one.ring.occurrence_id in stopped)]
