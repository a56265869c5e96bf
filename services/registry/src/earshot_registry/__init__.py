"""The live set of skills, and the words of households, as every service that needs them sees them."""

from __future__ import annotations

from earshot_registry.errors import InvalidWordError, RegistryUnavailableError
from earshot_registry.households import HouseholdWords
from earshot_registry.registry import SkillRegistry
from earshot_registry.snapshot import RegisteredSkill, RegistrySnapshot
from earshot_registry.words import HouseholdWord

__all__ = [
    "HouseholdWord",
    "HouseholdWords",
    "InvalidWordError",
    "RegisteredSkill",
    "RegistrySnapshot",
    "RegistryUnavailableError",
    "SkillRegistry",
]
