"""Registers a skill in the buckets by hand, as a running one would be."""

from __future__ import annotations

from collections.abc import Iterable

from nats.js import JetStreamContext

from earshot.skill.v1 import skill_pb2
from earshot_nlu.understanding.model import SkillWords, SlotKind
from earshot_registry.wire import description_key, endpoint_key
from earshot_topology.streams import SKILL_ENDPOINTS, SKILLS

_TYPES = {
    SlotKind.TEXT: skill_pb2.SLOT_TYPE_TEXT,
    SlotKind.NUMBER: skill_pb2.SLOT_TYPE_NUMBER,
    SlotKind.DURATION: skill_pb2.SLOT_TYPE_DURATION,
    SlotKind.DATE_TIME: skill_pb2.SLOT_TYPE_DATE_TIME,
}


def description(words: Iterable[SkillWords]) -> skill_pb2.SkillDescription:
    """Return the description of one skill version from its words in every locale."""
    locales = list(words)
    first = locales[0]
    return skill_pb2.SkillDescription(
        skill_id=first.skill_id,
        version=first.version,
        intents=[
            skill_pb2.IntentDescription(
                name=intent,
                slots=[skill_pb2.SlotDescription(name=slot, type=_TYPES[kind]) for slot, kind in slots.items()],
            )
            for intent, slots in first.slot_kinds.items()
        ],
        locales=[skill_pb2.LocaleResources(locale=one.locale, sentences_yaml=one.sentences_yaml) for one in locales],
        digest=str(hash(tuple(one.sentences_yaml for one in locales))),
    )


async def register(jetstream: JetStreamContext, words: Iterable[SkillWords]) -> None:
    """Write a skill version and one replica's lease into the buckets."""
    described = description(words)
    skills, endpoints = await jetstream.key_value(SKILLS.bucket), await jetstream.key_value(SKILL_ENDPOINTS.bucket)
    endpoint = skill_pb2.SkillEndpoint(
        skill_id=described.skill_id, version=described.version, instance_id="one", target="127.0.0.1:9"
    )
    await skills.put(description_key(described.skill_id, described.version), described.SerializeToString())
    await endpoints.put(endpoint_key(described.skill_id, described.version, "one"), endpoint.SerializeToString())


async def deregister(jetstream: JetStreamContext, skill_id: str, version: str = "1.0.0") -> None:
    """Delete the replica's lease, as a skill that is stopped does."""
    endpoints = await jetstream.key_value(SKILL_ENDPOINTS.bucket)
    await endpoints.delete(endpoint_key(skill_id, version, "one"))
