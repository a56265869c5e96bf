"""What a device is told while it is listened to.

Losable: plain core publishes without headers, so that they cost little. Each carries the owner's epoch, by which a device
tells the owner from one that was frozen and has been replaced.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from google.protobuf.message import Message
from nats.aio.client import Client
from nats.errors import Error as NatsError

from earshot_asr import wire
from earshot_asr.endpointing import Endpoint
from earshot_asr.engines.base import Alternative
from earshot_asr.utterance import Epoch, TurnId
from earshot_chassis import telemetry
from earshot_chassis.codec import encode
from earshot_chassis.errors import EarshotError
from earshot_topology.subjects import DeviceAddress

_log = telemetry.logger("reporting")


class DeviceReporter:
    """Tells one device about one utterance; the recogniser's observer on the bus path."""

    def __init__(
        self,
        client: Client,
        address: DeviceAddress,
        turn_id: TurnId,
        epoch: Epoch,
        on_end: Callable[[Endpoint], Awaitable[None]],
    ) -> None:
        self._client = client
        self._subject = address.recognition()
        self._errors = address.error()
        self._turn_id = turn_id
        self._epoch = epoch
        self._on_end = on_end
        self.interims = 0

    async def acknowledged(self, next_sequence: int) -> None:
        """The cloud has every frame below next_sequence."""
        await self._send(wire.upload_ack(self._turn_id, self._epoch, next_sequence))

    async def started(self, offset: float) -> None:
        """Speech began, `offset` seconds from the first sample."""
        await self._send(wire.speech_started(self._turn_id, self._epoch, offset))

    async def interim(self, transcript: str, stability: float) -> None:
        """Words so far, and how likely they are to stay, 0 to 1."""
        self.interims += 1
        await self._send(wire.interim_update(self._turn_id, self._epoch, transcript, stability))

    async def ended(self, endpoint: Endpoint) -> None:
        """The utterance is over."""
        await self._send(wire.endpoint_update(self._turn_id, self._epoch, endpoint))
        await self._on_end(endpoint)

    async def final(self, best: Alternative) -> None:
        """What was said."""
        await self._send(wire.final_update(self._turn_id, self._epoch, best))

    async def failed(self, error: EarshotError) -> None:
        """The utterance can't be recognised."""
        await self._send(wire.error_update(self._turn_id, self._epoch, error))

    async def refused(self, error: EarshotError) -> None:
        """The device sent more than it may: on the subject for errors, where whoever runs it looks for them."""
        await self._send(wire.device_error(error, self._turn_id), self._errors)

    async def _send(self, message: Message, subject: str = "") -> None:
        try:
            await self._client.publish(subject or self._subject, encode(message))
        except NatsError as error:
            _log.info("update_lost", error=type(error).__name__)
