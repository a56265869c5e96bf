"""Asks a skill what it is."""

from __future__ import annotations

from typing import Any

import grpc

from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_operator.core.verdicts import Description
from earshot_operator.errors import NotDescribedError

_TIMEOUT_S = 2.0


async def describe(target: str) -> Description:
    """Return what the process at a gRPC target says of itself.

    Raises:
        NotDescribedError: It does not answer.
    """
    async with connect(target, default_timeout_s=_TIMEOUT_S) as channel:
        stub: Any = skill_pb2_grpc.SkillStub(channel)
        try:
            answer = await stub.Describe(skill_pb2.DescribeRequest())
        except grpc.aio.AioRpcError as error:
            raise NotDescribedError(f"{target}: {error.code().name.lower()}") from error
    said = answer.description
    return Description(
        skill_id=said.skill_id,
        version=said.version,
        locales=tuple(each.locale for each in said.locales),
        # Not ToTimedelta, which raises for some of what an image may say.
        timeout_s=said.timeout.seconds + said.timeout.nanos / 1e9,
    )
