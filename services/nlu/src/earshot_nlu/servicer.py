"""earshot.nlu.v1.Interpreter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc

from earshot.nlu.v1 import interpreter_pb2, interpreter_pb2_grpc
from earshot_nlu import wire
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understood import understood


class InterpreterServicer(interpreter_pb2_grpc.InterpreterServicer):
    """Text to meaning over gRPC; the chassis turns errors into statuses."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter

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
        return wire.response(understood(self._interpreter, utterance))
