"""What a skill says about itself: the shape of manifest.yaml."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from earshot_skillkit.errors import BrokenManifestError

FILE = "manifest.yaml"
REPLY = "reply"
"""An intent of this name holds what is only ever said in answer to a question of the skill: dialogue fills the slots that
it finds into the intent that asked, and calls that one."""

# The assistant's own intents are registered under this id.
_RESERVED = {"assistant"}
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")


class SlotType(StrEnum):
    """The kind of value that a slot holds."""

    TEXT = "text"
    NUMBER = "number"
    DURATION = "duration"
    DATE_TIME = "date_time"


class EffectGuarantee(StrEnum):
    """What a repeated call with the same idempotency key does to the world outside."""

    NONE = "none"
    EXACTLY_ONCE = "exactly_once"
    AT_MOST_ONCE = "at_most_once"
    AT_LEAST_ONCE = "at_least_once"


def _skill_id(value: str) -> str:
    if value in _RESERVED:
        raise ValueError(f"{value!r} is the assistant's own")
    return value


def _locale(value: str) -> str:
    if _LOCALE.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a BCP-47 locale such as en-US")
    return value


SkillId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$"), AfterValidator(_skill_id)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Locale = Annotated[str, AfterValidator(_locale)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Slot(_Model):
    """One slot of an intent."""

    type: SlotType = SlotType.TEXT
    required: bool = False


class Intent(_Model):
    """One intent."""

    summary: str = Field(min_length=1, max_length=200)
    effect: bool = False
    slots: dict[Name, Slot] = {}


class Manifest(_Model):
    """The whole file.

    Attributes:
        id: Lower case, one NATS token.
        locales: Each has a file in sentences/ and one in responses/.
        intents: By name, without the skill's id.
        timeout_s: Longest time for one call, in seconds.
        effect_guarantee: What a repeated call does outside; needed where an intent has an effect.
    """

    id: SkillId
    locales: tuple[Locale, ...] = Field(min_length=1)
    intents: dict[Name, Intent] = Field(min_length=1)
    timeout_s: float = Field(3.0, gt=0, le=30)
    effect_guarantee: EffectGuarantee = EffectGuarantee.NONE


def parse_manifest(content: Any) -> Manifest:
    """Return a manifest from what its YAML file holds.

    Raises:
        BrokenManifestError: A key is missing, unknown or wrong; the first one is named.
    """
    if not isinstance(content, dict):
        raise BrokenManifestError(FILE, "", "is not a mapping")
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"] if part != "[key]")
        raise BrokenManifestError(FILE, key, first["msg"]) from None
    if len(set(manifest.locales)) != len(manifest.locales):
        raise BrokenManifestError(FILE, "locales", "a locale is named twice")
    effects = [name for name, intent in manifest.intents.items() if intent.effect]
    if effects and manifest.effect_guarantee is EffectGuarantee.NONE:
        problem = f"must say what a repeated call does, because {effects[0]} has an effect"
        raise BrokenManifestError(FILE, "effect_guarantee", problem)
    return manifest
