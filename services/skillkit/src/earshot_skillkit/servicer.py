"""earshot.skill.v1.Skill on top of a skill's handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import grpc
from grpc_status import rpc_status

from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis import telemetry
from earshot_chassis.errors import RetryableError
from earshot_chassis.rpc_errors import to_status
from earshot_skillkit import wire
from earshot_skillkit.dispatch import Dispatcher
from earshot_skillkit.effects import Journal
from earshot_skillkit.package import SkillPackage
from earshot_skillkit.replies import Answer
from earshot_topology import attributes

NAME = "earshot.skill.v1.Skill"

Context = grpc.aio.ServicerContext[Any, Any]


class SkillServicer(skill_pb2_grpc.SkillServicer):
    """Serves one skill.

    Args:
        package: Its manifest and words.
        dispatcher: Its handlers.
        journal: Where its effects are written down.
        now: The present moment, aware.
    """

    def __init__(
        self, package: SkillPackage, dispatcher: Dispatcher, journal: Journal, now: Callable[[], datetime]
    ) -> None:
        self._journal = journal
        self._package = package
        self._dispatcher = dispatcher
        self._now = now
        self._description = wire.description(package)

    async def Describe(  # noqa: N802 - the contract names it
        self, request: skill_pb2.DescribeRequest, context: Context
    ) -> skill_pb2.DescribeResponse:
        """Return what the skill can do."""
        del request, context
        return skill_pb2.DescribeResponse(description=self._description)

    async def Handle(  # noqa: N802 - the contract names it
        self, request: skill_pb2.HandleRequest, context: Context
    ) -> AsyncIterator[skill_pb2.HandleResponse]:
        """Fulfil one intent; errors are mapped by the chassis, a passed deadline is DEADLINE_EXCEEDED."""
        skill_id = self._package.manifest.id
        telemetry.annotate(
            {
                attributes.SKILL_ID: skill_id,
                attributes.SKILL_VERSION: self._package.version,
                attributes.INTENT: f"{skill_id}.{request.intent}",
                attributes.SKILL_ATTEMPT: request.attempt,
            }
        )
        call = wire.request(request, self._package, journal=self._journal, now=self._now())
        directives = 0
        try:
            async for step in self._dispatcher.dispatch(call):
                yield wire.response(step, call.idempotency_key, directives)
                directives += len(step.directives) if isinstance(step, Answer) else 0
        except TimeoutError:
            error = RetryableError("the skill did not answer in time", code="deadline_exceeded")
            error.stage = "skill"
            status = to_status(error)
            status.code = grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
            await context.abort_with_status(rpc_status.to_status(status))
