"""The live set of skills, as every service that needs it sees it."""

from __future__ import annotations

from earshot_registry.errors import RegistryUnavailableError
from earshot_registry.registry import SkillRegistry
from earshot_registry.snapshot import RegisteredSkill, RegistrySnapshot

__all__ = ["RegisteredSkill", "RegistrySnapshot", "RegistryUnavailableError", "SkillRegistry"]
