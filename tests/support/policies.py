"""Hand-made catalogues and languages for tests of the pure dialogue core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from earshot_dialogue.core.catalogue import Catalogue, Effect, IntentSpec, LocaleWords, SkillVersion, SlotSpec
from earshot_dialogue.core.session import PendingQuestion, Session
from earshot_dialogue.core.values import Heard, Hypothesis, SessionId, SkillId, Slot
from earshot_dialogue.languages import Languages

LANGUAGES = Languages.load()
ENGLISH = LANGUAGES.fallback
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

CITY = SlotSpec(name="city", required=True)
DATE = SlotSpec(name="date", textual=False)


def version(
    skill: str = "weather",
    number: str = "1.0.0",
    *,
    weight: int = 1,
    intents: tuple[IntentSpec, ...] = (IntentSpec(name="get_forecast", slots=(CITY, DATE)),),
) -> SkillVersion:
    """Return a version of a skill that knows two cities."""
    words = LocaleWords(
        questions={"get_forecast.city": "In which city?"},
        values={"city": {"paris": "Paris", "big apple": "New York"}},
        examples=("what's the weather in paris",),
    )
    return SkillVersion(
        skill_id=SkillId(skill),
        version=number,
        intents={intent.name: intent for intent in intents},
        words={"en-US": words},
        weight=weight,
        targets=("127.0.0.1:1",),
    )


def catalogue(*versions: SkillVersion) -> Catalogue:
    """Return the catalogue of these versions; weather and lights without any."""
    if not versions:
        switch = IntentSpec(name="switch_on", slots=(SlotSpec(name="room"),), effect=Effect.AT_MOST_ONCE)
        versions = (version(), version("lights", intents=(switch,)))
    skills: dict[SkillId, tuple[SkillVersion, ...]] = {}
    for each in versions:
        skills[each.skill_id] = (*skills.get(each.skill_id, ()), each)
    return Catalogue(skills=skills, revision=1)


def meaning(intent: str, confidence: float = 1.0, **slots: str) -> Hypothesis:
    """Return a hypothesis with text slots."""
    return Hypothesis(
        intent=intent,
        confidence=confidence,
        slots=tuple(Slot(name=name, text=text, value=text) for name, text in slots.items()),
    )


def heard(transcript: str, *hypotheses: Hypothesis) -> Heard:
    """Return what was heard."""
    return Heard(transcript=transcript, hypotheses=hypotheses)


def session(
    *, pending: PendingQuestion | None = None, last: Hypothesis | None = None, prompts: tuple[str, ...] = ()
) -> Session:
    """Return a session that lasts another minute."""
    return Session(
        session_id=SessionId("s1"),
        expire_time=NOW + timedelta(minutes=1),
        pending_question=pending,
        last_hypothesis=last,
        last_prompts=prompts,
        locale="en-US",
    )


def asked(ask_count: int = 1, **slots: str) -> Session:
    """Return a session in which the city has been asked for."""
    question = PendingQuestion(
        hypothesis=meaning("weather.get_forecast", **slots), slot_name="city", ask_count=ask_count
    )
    return session(pending=question)
