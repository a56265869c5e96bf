"""Maps registry snapshots to the dialogue's catalogue."""

from __future__ import annotations

from earshot.skill.v1 import skill_pb2
from earshot_dialogue.core.catalogue import Catalogue, Effect, IntentSpec, LocaleWords, SkillVersion, SlotSpec
from earshot_dialogue.core.values import SkillId
from earshot_dialogue.skills import sentences
from earshot_registry import RegisteredSkill, RegistrySnapshot

_DEFAULT_TIMEOUT_S = 5.0
_EFFECTS = {
    skill_pb2.EFFECT_GUARANTEE_EXACTLY_ONCE: Effect.EXACTLY_ONCE,
    skill_pb2.EFFECT_GUARANTEE_AT_MOST_ONCE: Effect.AT_MOST_ONCE,
    skill_pb2.EFFECT_GUARANTEE_AT_LEAST_ONCE: Effect.AT_LEAST_ONCE,
}
_TEXTUAL = {skill_pb2.SLOT_TYPE_UNSPECIFIED, skill_pb2.SLOT_TYPE_TEXT}


class CatalogueBuilder:
    """Builds catalogues; remembers the words of descriptions it has read, so that a replica's coming costs nothing."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str, str], dict[str, LocaleWords]] = {}

    def build(self, snapshot: RegistrySnapshot) -> Catalogue:
        """Return what the running skills can do; the assistant's own intents are not among them."""
        running = [skill for skill in snapshot.skills if skill.endpoints]
        keys = {_key(skill.description) for skill in running}
        self._words = {key: words for key, words in self._words.items() if key in keys}
        skills: dict[SkillId, tuple[SkillVersion, ...]] = {}
        for skill in running:
            version = self._version(skill)
            skills[version.skill_id] = (*skills.get(version.skill_id, ()), version)
        return Catalogue(skills=skills, revision=snapshot.revision)

    def _version(self, skill: RegisteredSkill) -> SkillVersion:
        description = skill.description
        key = _key(description)
        if key not in self._words:
            self._words[key] = {words.locale: _words(words) for words in description.locales}
        timeout_s = description.timeout.ToTimedelta().total_seconds()
        return SkillVersion(
            skill_id=SkillId(description.skill_id),
            version=description.version,
            intents={intent.name: _intent(intent, description) for intent in description.intents},
            words=self._words[key],
            timeout_s=timeout_s if timeout_s > 0 else _DEFAULT_TIMEOUT_S,
            targets=tuple(sorted({endpoint.target for endpoint in skill.endpoints})),
            # A version's share does not grow with its replicas.
            weight=max(endpoint.weight or 1 for endpoint in skill.endpoints),
        )


def _key(description: skill_pb2.SkillDescription) -> tuple[str, str, str]:
    return description.skill_id, description.version, description.digest


def _words(words: skill_pb2.LocaleResources) -> LocaleWords:
    tree = sentences.parse(words.sentences_yaml)
    return LocaleWords(
        questions=dict(words.slot_prompts), values=sentences.values(tree), examples=sentences.examples(tree)
    )


def _intent(intent: skill_pb2.IntentDescription, description: skill_pb2.SkillDescription) -> IntentSpec:
    effect = _EFFECTS.get(description.effect_guarantee, Effect.NONE) if intent.has_effect else Effect.NONE
    slots = tuple(
        SlotSpec(name=slot.name, required=slot.required, textual=slot.type in _TEXTUAL) for slot in intent.slots
    )
    return IntentSpec(name=intent.name, slots=slots, effect=effect)
