"""A skill as it is shipped, from a Skill to an answer: its own process, its own credential, the registry that dialogue reads."""

from __future__ import annotations

from importlib.metadata import version

import nats
import pytest

from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_registry import SkillRegistry
from support.kube import real
from support.kube.images import module
from support.kube.operating import operating


class Bus:
    """What the registry needs of one."""

    def __init__(self, client):
        self.client = client


@pytest.mark.skipif(bool(real.wanted()), reason="test_lives does it with that cluster's image")
@pytest.mark.timeout(500)
async def test_the_clock_answers(stack, tmp_path):
    """The real clock runs from a Deployment, registers itself, and answers whoever finds it in the registry."""
    async with operating(stack, tmp_path, {"clock:0.1.0": module("earshot_skill_clock")}, skill_id="clock") as at_work:
        at_work.start(EARSHOT_OPERATOR_PROGRESS_DEADLINE_S="60")
        at_work.write(image="clock:0.1.0", locales=["en-US", "zh-CN"])
        await at_work.serving(version("earshot-skill-clock"))
        client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        registry = SkillRegistry(Bus(client))
        await registry.start()
        (clock,) = [each for each in registry.snapshot.skills if each.description.skill_id == "clock"]
        (endpoint,) = clock.endpoints
        await registry.stop()
        await client.close()
        assert endpoint.instance_id == at_work.pods()[0]["metadata"]["name"]
        request = skill_pb2.HandleRequest(intent="get_time", idempotency_key="h.d.t.0", attempt=1)
        request.turn.household_id, request.turn.device_id = "h", "d"
        request.turn.turn_id, request.turn.locale = "t", "en-US"
        request.turn.time_zone = "Europe/Paris"
        request.deadline_time.GetCurrentTime()
        request.deadline_time.seconds += 5
        async with connect(endpoint.target) as channel:
            call = skill_pb2_grpc.SkillStub(channel).Handle(request, timeout=5)
            answers = [response.answer async for response in call]
        assert answers[-1].final
        assert answers[-1].prompts[0].text.startswith("It is ")
