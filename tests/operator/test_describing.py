"""What an image says of itself is another team's: read as it is, whatever it is."""

from __future__ import annotations

import grpc
import pytest

from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_operator.describing import describe
from earshot_operator.errors import NotDescribedError


class Bold(skill_pb2_grpc.SkillServicer):
    """Claims a time that no clock has."""

    async def Describe(self, _request, _context):
        """Answer."""
        description = skill_pb2.SkillDescription(skill_id="bold", timeout={"seconds": 10**18})
        return skill_pb2.DescribeResponse(description=description)


async def test_a_time_that_no_clock_has_is_read():
    """It is longer than any deadline; who does not answer has not said anything."""
    server = grpc.aio.server()
    skill_pb2_grpc.add_SkillServicer_to_server(Bold(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    assert (await describe(f"127.0.0.1:{port}")).timeout_s == 10**18
    await server.stop(None)
    with pytest.raises(NotDescribedError):
        await describe(f"127.0.0.1:{port}")
