"""A skill written by hand: a real gRPC server whose behaviour a test scripts, registered in the real buckets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc
from nats.aio.client import Client

from earshot.device.v1 import directive_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc

SENTENCES = """
intents:
  get_forecast:
    data:
      - sentences: ["what['s| is] the weather in {city}"]
lists:
  city:
    values:
      - "Paris"
      - in: "big apple"
        out: "New York"
"""

Handle = Callable[[skill_pb2.HandleRequest, grpc.aio.ServicerContext], AsyncIterator[skill_pb2.HandleResponse]]


def prompt(text: str, locale: str = "en-US", key: str = "weather.forecast") -> outcome_pb2.Prompt:
    """Return words."""
    return outcome_pb2.Prompt(text=text, locale=locale, key=key, interruptible=True)


def answer(*texts: str, final: bool = True, **fields: object) -> skill_pb2.HandleResponse:
    """Return a segment of an answer."""
    return skill_pb2.HandleResponse(
        answer=skill_pb2.Answer(prompts=[prompt(text) for text in texts], final=final, **fields)
    )


def play(url: str) -> directive_pb2.Directive:
    """Return a directive that plays a tune."""
    return directive_pb2.Directive(
        directive_id="the-skill's-own", play=directive_pb2.Play(items=[directive_pb2.MediaItem(item_id="1", url=url)])
    )


def weather(version: str = "1.0.0", **fields: object) -> skill_pb2.SkillDescription:
    """Return the description of a skill that needs a city and may be told a date."""
    description = skill_pb2.SkillDescription(
        skill_id="weather",
        version=version,
        digest=f"digest-of-{version}",
        intents=[
            skill_pb2.IntentDescription(
                name="get_forecast",
                slots=[
                    skill_pb2.SlotDescription(name="city", type=skill_pb2.SLOT_TYPE_TEXT, required=True),
                    skill_pb2.SlotDescription(name="date", type=skill_pb2.SLOT_TYPE_DATE_TIME),
                ],
            )
        ],
        locales=[
            skill_pb2.LocaleResources(
                locale="en-US", sentences_yaml=SENTENCES, slot_prompts={"get_forecast.city": "In which city?"}
            ),
            skill_pb2.LocaleResources(locale="zh-CN", slot_prompts={"get_forecast.city": "哪个城市？"}),
        ],
        **fields,
    )
    description.timeout.FromMilliseconds(2000)
    return description


async def sunny(
    request: skill_pb2.HandleRequest, _context: grpc.aio.ServicerContext
) -> AsyncIterator[skill_pb2.HandleResponse]:
    """Say that it is sunny where the request asks."""
    city = next(slot.value.string_value for slot in request.slots if slot.name == "city")
    yield answer(f"It is sunny in {city}.")


@dataclass(slots=True)
class FakeSkill(skill_pb2_grpc.SkillServicer):
    """One replica. Its `handle` can be replaced at any time; calls are kept."""

    description: skill_pb2.SkillDescription
    handle: Handle = sunny
    target: str = ""
    calls: list[skill_pb2.HandleRequest] = field(default_factory=list)
    ended: int = 0
    server: grpc.aio.Server | None = None

    async def Describe(self, _request: object, _context: object) -> skill_pb2.DescribeResponse:
        """Say what it can do."""
        return skill_pb2.DescribeResponse(description=self.description)

    async def Handle(
        self, request: skill_pb2.HandleRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[skill_pb2.HandleResponse]:
        """Do as scripted."""
        self.calls.append(request)
        async for response in self.handle(request, context):
            yield response
        self.ended += 1

    async def stop(self) -> None:
        """Stop serving at once; the registration stays, as after a crash."""
        if self.server is not None:
            await self.server.stop(0)
            self.server = None


@contextlib.asynccontextmanager
async def fake_skill(description: skill_pb2.SkillDescription, handle: Handle = sunny) -> AsyncIterator[FakeSkill]:
    """Serve a replica on a loopback port."""
    skill = FakeSkill(description=description, handle=handle)
    skill.server = grpc.aio.server()
    skill_pb2_grpc.add_SkillServicer_to_server(skill, skill.server)
    skill.target = f"127.0.0.1:{skill.server.add_insecure_port('127.0.0.1:0')}"
    await skill.server.start()
    try:
        yield skill
    finally:
        await skill.stop()


async def register(client: Client, skill: FakeSkill, *, instance: str = "a", weight: int = 1) -> None:
    """Write a replica's description and lease into the buckets."""
    name, version = skill.description.skill_id, skill.description.version
    endpoint = skill_pb2.SkillEndpoint(
        skill_id=name,
        version=version,
        instance_id=instance,
        target=skill.target,
        weight=weight,
        digest=skill.description.digest,
    )
    jetstream = client.jetstream()
    await asyncio.gather(
        jetstream.publish(f"$KV.SKILLS.{name}.{version}", skill.description.SerializeToString()),
        jetstream.publish(f"$KV.SKILL_ENDPOINTS.{name}.{version}.{instance}", endpoint.SerializeToString()),
    )
