"""What the running skills can do, as the dialogue needs it: derived from a registry snapshot, replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from earshot_dialogue.core.values import SkillId


class Effect(StrEnum):
    """What calling an intent again does to the world outside."""

    NONE = "none"
    EXACTLY_ONCE = "exactly_once"
    AT_MOST_ONCE = "at_most_once"
    AT_LEAST_ONCE = "at_least_once"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSpec:
    """A slot that an intent knows; textual: any words fill it, without being normalised first."""

    name: str
    required: bool = False
    textual: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentSpec:
    """An intent of a skill; its name is without the skill's id."""

    name: str
    slots: tuple[SlotSpec, ...] = ()
    effect: Effect = Effect.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class LocaleWords:
    """A skill's words in one locale.

    Attributes:
        questions: "<intent>.<slot>" to what to ask for it.
        values: List name to its entries, words in lower case to what they mean.
        examples: Sentences that the skill understands as they stand, for help.
    """

    questions: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillVersion:
    """One version of a skill that has at least one replica.

    Attributes:
        skill_id: "clock".
        version: SemVer.
        intents: By name, without the skill's id.
        words: By locale.
        timeout_s: How long one call may take.
        targets: gRPC targets of its replicas.
        weight: Share of new sessions between versions.
    """

    skill_id: SkillId
    version: str
    intents: Mapping[str, IntentSpec]
    words: Mapping[str, LocaleWords] = field(default_factory=dict)
    timeout_s: float = 5.0
    targets: tuple[str, ...] = ()
    weight: int = 1

    def question(self, locale: str, intent: str, slot: str) -> str:
        """Return what to ask for a slot; empty when the skill has no words for it."""
        words = self.words.get(locale)
        return words.questions.get(f"{intent}.{slot}", "") if words else ""

    def value(self, locale: str, slot: str, text: str) -> str | None:
        """Return what words mean by the list of the slot's name; None when they are not in it."""
        words = self.words.get(locale)
        return words.values.get(slot, {}).get(text.casefold()) if words else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All versions of all running skills, by skill; versions in a stable order."""

    skills: Mapping[SkillId, tuple[SkillVersion, ...]] = field(default_factory=dict)
    revision: int = 0
