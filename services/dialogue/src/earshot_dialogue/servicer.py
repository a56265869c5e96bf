"""The gRPC face of the dialogue."""

from __future__ import annotations

import grpc
from grpc_status import rpc_status

from earshot.dialogue.v1 import assistant_pb2, assistant_pb2_grpc
from earshot_chassis.rpc_errors import to_status
from earshot_dialogue.converse import Conversation, checked
from earshot_dialogue.errors import NoOutcomeError
from earshot_dialogue.languages import Languages

Context = grpc.aio.ServicerContext[assistant_pb2.ConverseRequest, assistant_pb2.ConverseResponse]


class AssistantServicer(assistant_pb2_grpc.AssistantServicer):
    """Serves earshot.dialogue.v1.Assistant; errors are mapped by the chassis."""

    def __init__(self, conversation: Conversation, languages: Languages) -> None:
        self._conversation = conversation
        self._languages = languages

    async def Converse(  # noqa: N802 - the contract's name
        self,
        request: assistant_pb2.ConverseRequest,
        context: Context,
    ) -> assistant_pb2.ConverseResponse:
        """Take one typed turn.

        Raises:
            InvalidRequestError: The request can't be taken.
            RetryableError: The bus did not answer.
        """
        try:
            outcomes = await self._conversation.take(checked(request, self._languages))
        except NoOutcomeError as error:
            # Waiting longer may help, trying again does not: the chassis's UNAVAILABLE would say the opposite.
            status = to_status(error)
            status.code = grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
            await context.abort_with_status(rpc_status.to_status(status))
        understood = [outcomes[-1].hypothesis] if outcomes[-1].HasField("hypothesis") else []
        return assistant_pb2.ConverseResponse(outcomes=outcomes, hypotheses=understood)
