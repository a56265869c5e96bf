"""earshot.nlu.v1.Interpreter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc

from earshot.nlu.v1 import interpreter_pb2, interpreter_pb2_grpc
from earshot_nlu import wire
from earshot_nlu.households import Households
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understood import understood


class InterpreterServicer(interpreter_pb2_grpc.InterpreterServicer):
    """Text to meaning over gRPC; the chassis turns errors into statuses."""

    def __init__(self, interpreter: Interpreter, households: Households) -> None:
        self._interpreter = interpreter
        self._households = households

    async def Interpret(  # noqa: N802 - gRPC's name
        self,
        request: interpreter_pb2.InterpretRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> interpreter_pb2.InterpretResponse:
        """Rank what the words may mean.

        Raises:
            InvalidInputError: Empty or oversized text, unknown locale or time zone.
        """
        del context
        utterance = wire.utterance_of_request(request, datetime.now(UTC))
        words = await self._households.of(request.household_id, utterance.locale)
        return wire.response(understood(self._interpreter, utterance, words))
