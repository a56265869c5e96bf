"""The assistant's own intents: stop, cancel, repeat and help, registered like a skill that no process serves.

Their sentences stand here because recognition and understanding both need them, whatever skills are running.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files

from earshot.skill.v1 import skill_pb2
from earshot_registry.snapshot import RegisteredSkill

SKILL_ID = "assistant"
LOCALES = ("en-US", "zh-CN")

_SUMMARIES = {
    "stop": "Stops the answer being spoken and whatever the device is doing.",
    "cancel": "Gives up the question that was asked.",
    "repeat": "Says the last answer again.",
    "help": "Says what can be asked.",
}


def assistant() -> RegisteredSkill:
    """Return the pseudo skill `assistant`."""
    description = skill_pb2.SkillDescription(
        skill_id=SKILL_ID,
        version=version("earshot-registry").replace("+", "_"),
        intents=[skill_pb2.IntentDescription(name=name, summary=text) for name, text in _SUMMARIES.items()],
        locales=[
            skill_pb2.LocaleResources(
                locale=locale, sentences_yaml=files(__name__).joinpath(f"{locale}.yaml").read_text("utf-8")
            )
            for locale in LOCALES
        ],
        effect_guarantee=skill_pb2.EFFECT_GUARANTEE_NONE,
    )
    description.digest = sha256(description.SerializeToString(deterministic=True)).hexdigest()
    return RegisteredSkill(description=description)
