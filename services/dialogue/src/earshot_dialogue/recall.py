"""Answers devices that ask what was decided while they were away."""

from __future__ import annotations

from earshot.device.v1 import upstream_pb2
from earshot_chassis.bus import Bus
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.errors import InvalidTurnError
from earshot_topology.subjects import DeviceAddress, InvalidTokenError

# The subject and the queue that share the requests between replicas.
SUBJECT = "device.*.*.up.outcome"
QUEUE = "dialogue"


class OutcomeRecall:
    """Answers device.<household>.<device>.up.outcome."""

    def __init__(self, bus: Bus, ledger: OutcomeLedger) -> None:
        self._bus = bus
        self._ledger = ledger

    async def status(
        self, request: upstream_pb2.OutcomeStatusRequest, subject: str
    ) -> upstream_pb2.OutcomeStatusResponse:
        """Send the turn's segments to the device again; say whether there were any.

        Raises:
            InvalidTurnError: An id can't be one.
            RetryableError: The bus did not answer.
        """
        try:
            address = DeviceAddress.of(subject)
            claimed, delivered = address.turn_outcome(request.turn_id), address.outcome(request.turn_id)
        except InvalidTokenError as error:
            raise InvalidTurnError(str(error), code="invalid_id") from error
        segments = await self._ledger.all(claimed)
        for segment in segments:
            await self._bus.send(delivered, segment.outcome)
        return upstream_pb2.OutcomeStatusResponse(decided=bool(segments))
