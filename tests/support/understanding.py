"""An NLU core taught from folders and texts, and a way to ask it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from earshot_nlu.households import Households
from earshot_nlu.understanding.catalogue import Catalogue, CatalogueBuilder
from earshot_nlu.understanding.english import English
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.language import Languages
from earshot_nlu.understanding.mandarin import Mandarin
from earshot_nlu.understanding.model import (
    Alternative,
    DateTimeSpan,
    Hypothesis,
    Interpretation,
    SkillId,
    SkillWords,
    SlotKind,
    SlotValue,
    Utterance,
)
from earshot_nlu.understanding.statistical.encoder import SentenceEncoder
from earshot_nlu.understanding.statistical.model import trained
from earshot_nlu.understanding.values.calendar import Moment
from earshot_registry import HouseholdWord

LANGUAGES = Languages([English(), Mandarin()])
ENGLISH = LANGUAGES.of("en-US")
MANDARIN = LANGUAGES.of("zh-CN")
LOCALES = ("en-US", "zh-CN")
SHANGHAI = ZoneInfo("Asia/Shanghai")
# A Wednesday morning.
WEDNESDAY = datetime(2026, 11, 18, 10, 30, tzinfo=SHANGHAI)
NOW = Moment(WEDNESDAY, SHANGHAI)
SKILLS = Path(__file__).parents[2] / "services" / "skills"


def skill_words(
    skill_id: str,
    locale: str,
    sentences: str,
    kinds: Mapping[str, Mapping[str, SlotKind]] | None = None,
    version="1.0.0",
) -> SkillWords:
    """Return one skill's words."""
    return SkillWords(
        skill_id=SkillId(skill_id), version=version, locale=locale, sentences_yaml=sentences, slot_kinds=kinds or {}
    )


def folder_words(folder: Path) -> list[SkillWords]:
    """Return the words of a skill's package folder, which holds manifest.yaml and sentences/."""
    manifest: dict[str, Any] = yaml.safe_load((folder / "manifest.yaml").read_text("utf-8"))
    kinds = {
        intent: {slot: SlotKind(body.get("type", "text")) for slot, body in (about.get("slots") or {}).items()}
        for intent, about in manifest["intents"].items()
    }
    return [
        skill_words(manifest["id"], locale, (folder / "sentences" / f"{locale}.yaml").read_text("utf-8"), kinds)
        for locale in manifest["locales"]
    ]


def real_skill(name: str) -> list[SkillWords]:
    """Return the words of one of the skills in this repository."""
    return folder_words(SKILLS / name / "src" / f"earshot_skill_{name}")


def real_skills() -> list[str]:
    """Return the names of the skills in this repository."""
    return sorted(path.parents[2].name for path in SKILLS.glob("*/src/*/manifest.yaml"))


def assistant_words() -> list[SkillWords]:
    """Return the words of the assistant's own intents."""
    folder = files("earshot_registry.builtin")
    return [
        skill_words("assistant", locale, folder.joinpath(f"{locale}.yaml").read_text("utf-8")) for locale in LOCALES
    ]


def taught(words: Iterable[SkillWords], revision: int = 1) -> Interpreter:
    """Return an interpreter that understands these skills; nothing in them may be wrong."""
    interpreter = Interpreter(LANGUAGES)
    interpreter.use(built(words, revision))
    return interpreter


def built(words: Iterable[SkillWords], revision: int = 1) -> Catalogue:
    """Return the catalogue of these skills; nothing in them may be wrong."""
    catalogue = CatalogueBuilder(LANGUAGES).build(words, revision)
    assert not catalogue.problems, catalogue.problems
    return catalogue


def utterance(*texts: str | tuple[str, float], locale: str = "en-US", zone: str = "Asia/Shanghai") -> Utterance:
    """Return an utterance said on the Wednesday; a text may come with the recogniser's confidence."""
    alternatives = tuple(
        Alternative(transcript=text) if isinstance(text, str) else Alternative(transcript=text[0], confidence=text[1])
        for text in texts
    )
    return Utterance(alternatives=alternatives, locale=locale, time_zone=zone, reference_time=WEDNESDAY)


def ask(interpreter: Interpreter, *texts: str | tuple[str, float], locale: str = "en-US") -> Interpretation:
    """Return what an interpreter makes of some words."""
    return interpreter.interpret(utterance(*texts, locale=locale))


def best(interpreter: Interpreter, *texts: str | tuple[str, float], locale: str = "en-US") -> Hypothesis | None:
    """Return the first hypothesis."""
    found = ask(interpreter, *texts, locale=locale).hypotheses
    return found[0] if found else None


def brief(value: SlotValue | None) -> object:
    """Return a value as tests write it: "2026-11-19T00:00/day" for dates, seconds for durations."""
    if isinstance(value, DateTimeSpan):
        return f"{value.start:%Y-%m-%dT%H:%M}/{value.grain.value}"
    return value.total_seconds() if hasattr(value, "total_seconds") else value


def meaning(hypothesis: Hypothesis | None) -> tuple[str, dict[str, object]]:
    """Return intent and slots as tests write them; an empty intent for none."""
    if hypothesis is None:
        return "", {}
    return hypothesis.intent, {slot.name: brief(slot.value) for slot in hypothesis.slots}


@cache
def encoder() -> SentenceEncoder:
    """Return the encoder that a test process shares."""
    return SentenceEncoder()


def with_models(catalogue: Catalogue) -> Catalogue:
    """Return a catalogue with models trained here and now."""
    models = {
        locale: model
        for locale, grammar in catalogue.grammars.items()
        if (model := trained(grammar.drawn, LANGUAGES.of(locale), encoder())) is not None
    }
    return catalogue.with_models(models, LANGUAGES)


class WordsOf:
    """Households' words, held by a test.

    Args:
        words: By household.
    """

    def __init__(self, words: Mapping[str, tuple[HouseholdWord, ...]]) -> None:
        self._words = words

    async def of(self, household: str) -> tuple[HouseholdWord, ...]:
        """Return a household's words."""
        return self._words.get(household, ())


def strangers() -> Households:
    """Return households of which nothing is known."""
    return Households(WordsOf({}), LANGUAGES)
