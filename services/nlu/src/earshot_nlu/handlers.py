"""turn.transcribed in, turn.interpreted out.

A turn that can't be understood because its input is wrong still goes on, with the error's code: somebody may be waiting
for an answer, and only the dialogue can give one. A rejected utterance passes through as it came.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

from google.protobuf.message import Message

from earshot.asr.v1 import events_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_chassis import telemetry
from earshot_chassis.consuming import Delivery
from earshot_chassis.errors import InvalidInputError
from earshot_nlu import metrics, wire
from earshot_nlu.households import Households
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understood import understood
from earshot_topology.subjects import TURN_INTERPRETED, DeviceAddress, InvalidTokenError

_log = telemetry.logger("handlers")


class Bus(Protocol):
    """What the handler needs of the chassis's bus."""

    async def publish(self, subject: str, message: Message, *, msg_id: str | None = None) -> object:
        """Store a message on the stream that owns the subject."""


class TurnReader:
    """Interprets transcribed turns.

    Args:
        bus: Where the interpreted turn goes.
        interpreter: Understands.
        households: Know their words.
    """

    def __init__(self, bus: Bus, interpreter: Interpreter, households: Households) -> None:
        self._bus = bus
        self._interpreter = interpreter
        self._households = households

    async def transcribed(self, message: events_pb2.TurnTranscribed, delivery: Delivery) -> None:
        """Interpret one turn and publish what it means; returns when that is stored.

        Raises:
            InvalidInputError: The message names no turn; code missing_turn; or an id of it is none: invalid_id.
            RetryableError: The stream can't be reached.
        """
        turn = message.turn
        if not turn.turn_id:
            raise InvalidInputError("an event without a turn", code="missing_turn")
        try:
            key = DeviceAddress(turn.household_id, turn.device_id).turn_key(turn.turn_id)
        except InvalidTokenError as error:
            raise InvalidInputError("an id of the turn can't be one", code="invalid_id") from error
        # Saves the stream a repetition when this message is delivered again; dialogue decides by the turn.
        await self._bus.publish(TURN_INTERPRETED, await self._interpreted(message), msg_id=f"{key}.interpreted")
        metrics.LATENCY.record((time.monotonic_ns() - delivery.received_ns) / 1e9)

    async def _interpreted(self, message: events_pb2.TurnTranscribed) -> interpreter_pb2.TurnInterpreted:
        if message.rejection != events_pb2.REJECTION_UNSPECIFIED:
            metrics.UTTERANCES.add(1, {"by": "rejected", "locale": message.turn.locale})
            return wire.rejected(message, self._interpreter.revision)
        try:
            utterance = wire.utterance_of_turn(message, datetime.now(UTC))
            words = await self._households.of(message.turn.household_id, utterance.locale)
            return wire.interpreted(message, understood(self._interpreter, utterance, words))
        except InvalidInputError as error:
            _log.warning("not_interpreted", turn=message.turn.turn_id, code=error.code)
            metrics.UTTERANCES.add(1, {"by": error.code, "locale": ""})
            return wire.refused(message, error.code, self._interpreter.revision)
