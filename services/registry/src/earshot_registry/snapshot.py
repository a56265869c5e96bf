"""What the registry tells its users."""

from __future__ import annotations

from dataclasses import dataclass

from earshot.skill.v1 import skill_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredSkill:
    """A skill version that can be called now.

    Attributes:
        description: As the skill registered it.
        endpoints: Its replicas, at least one; none for the assistant's own intents (`assistant`), which no process
            serves.
    """

    description: skill_pb2.SkillDescription
    endpoints: tuple[skill_pb2.SkillEndpoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySnapshot:
    """The live set at one moment.

    Attributes:
        revision: Rises whenever what can be said changes: a skill version comes, goes or changes its description.
            Replicas coming and going beside others leave it as it is. Readers that see the same set have the same
            revision. 0: nothing is registered yet.
        skills: Ordered by skill id, then version; the assistant's own intents are always among them.
    """

    revision: int
    skills: tuple[RegisteredSkill, ...]
