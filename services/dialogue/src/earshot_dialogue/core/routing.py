"""Which version of a skill serves an intent.

Versions share sessions by weight: a session's id and the skill's id are hashed to a point on the line that the weights
divide, so that every replica of the dialogue comes to the same answer without talking to the others, and a session
stays with its version while the weights stay. A dialogue that has begun with a version (a question is pending) goes on
with it while it runs, whatever the weights say.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from earshot_dialogue.core.catalogue import Catalogue, IntentSpec, SkillVersion
from earshot_dialogue.core.values import Hypothesis, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a meaning goes: a skill's version and the intent as that version describes it."""

    skill: SkillVersion
    intent: IntentSpec


def route(
    catalogue: Catalogue, hypothesis: Hypothesis, session_id: SessionId, *, preferred_version: str = ""
) -> Route | None:
    """Return where a hypothesis goes; None when no running skill has the intent."""
    versions = catalogue.skills.get(hypothesis.skill, ())
    name = hypothesis.intent_name
    able = [version for version in versions if name in version.intents]
    if not able:
        return None
    chosen = next((version for version in able if version.version == preferred_version), None) or _by_weight(
        able, session_id
    )
    return Route(skill=chosen, intent=chosen.intents[name])


def _by_weight(versions: list[SkillVersion], session_id: SessionId) -> SkillVersion:
    if len(versions) == 1:
        return versions[0]
    total = sum(version.weight for version in versions)
    seed = f"{versions[0].skill_id}\0{session_id}".encode()
    point = int.from_bytes(blake2b(seed, digest_size=8).digest()) * total >> 64
    for version in versions:
        point -= version.weight
        if point < 0:
            return version
    return versions[-1]
