"""Maps bucket entries to the registry's state, and the state to snapshots.

Keys are `<skill_id>.<version>` and `<skill_id>.<version>.<instance_id>`; a version holds dots, ids do not.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from google.protobuf.message import DecodeError

from earshot.skill.v1 import skill_pb2
from earshot_registry.listing import Entry
from earshot_registry.snapshot import RegisteredSkill, RegistrySnapshot
from earshot_registry.state import DescriptionEntry, EndpointEntry, RegistryState, SkillKey
from earshot_topology.subjects import token

State = RegistryState[skill_pb2.SkillDescription, skill_pb2.SkillEndpoint]

_log = structlog.get_logger(__name__)


def description_key(skill_id: str, version: str) -> str:
    """Return the key of a description in the SKILLS bucket."""
    return f"{token(skill_id)}.{version}"


def endpoint_key(skill_id: str, version: str, instance_id: str) -> str:
    """Return the key of a replica in the SKILL_ENDPOINTS bucket."""
    return f"{token(skill_id)}.{version}.{token(instance_id)}"


def parse_endpoint_key(key: str) -> tuple[SkillKey, str]:
    """Return skill and instance of a replica's key.

    Raises:
        ValueError: It is not one.
    """
    rest, _, instance_id = key.rpartition(".")
    return _parse_description_key(rest), token(instance_id)


def description_entries(entries: Iterable[Entry]) -> list[DescriptionEntry[skill_pb2.SkillDescription]]:
    """Decode a listing of the SKILLS bucket; entries that can't be read are logged and left out."""
    decoded = []
    for entry in entries:
        try:
            skill = _parse_description_key(entry.key)
            value = None if entry.value is None else skill_pb2.SkillDescription.FromString(entry.value)
        except (ValueError, DecodeError):
            _log.warning("registry.unreadable_description", key=entry.key, sequence=entry.sequence)
            continue
        digest = "" if value is None else value.digest
        decoded.append(DescriptionEntry(skill=skill, sequence=entry.sequence, digest=digest, value=value))
    return decoded


def endpoint_entries(entries: Iterable[Entry]) -> list[EndpointEntry[skill_pb2.SkillEndpoint]]:
    """Decode a listing of the SKILL_ENDPOINTS bucket; entries that can't be read are logged and left out."""
    decoded = []
    for entry in entries:
        try:
            skill, instance_id = parse_endpoint_key(entry.key)
            value = None if entry.value is None else skill_pb2.SkillEndpoint.FromString(entry.value)
        except (ValueError, DecodeError):
            _log.warning("registry.unreadable_endpoint", key=entry.key, sequence=entry.sequence)
            continue
        decoded.append(EndpointEntry(skill=skill, instance_id=instance_id, sequence=entry.sequence, value=value))
    return decoded


def snapshot(state: State, builtin: RegisteredSkill) -> RegistrySnapshot:
    """Return the live set, the assistant's own intents included."""
    skills = [RegisteredSkill(description=each.description, endpoints=each.endpoints) for each in state.live]
    skills.append(builtin)
    skills.sort(key=lambda skill: (skill.description.skill_id, skill.description.version))
    return RegistrySnapshot(revision=state.revision, skills=tuple(skills))


def _parse_description_key(key: str) -> SkillKey:
    skill_id, _, version = key.partition(".")
    if not version:
        raise ValueError("a key without a version")
    return SkillKey(token(skill_id), version)
