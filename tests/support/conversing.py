"""A whole dialogue without processes: real NLU and the real dialogue core around a skill that a SkillTester holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from earshot.asr.v1 import events_pb2
from earshot.skill.v1 import skill_pb2
from earshot_dialogue import wire as dialogue_wire
from earshot_dialogue.core import builtin, policy
from earshot_dialogue.core.session import PendingQuestion, Session
from earshot_dialogue.core.values import DeviceShadow, Hypothesis, SessionId
from earshot_dialogue.languages import Languages
from earshot_dialogue.skills.registered import CatalogueBuilder
from earshot_nlu import wire as nlu_wire
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Alternative, Utterance
from earshot_registry import RegisteredSkill, RegistrySnapshot
from earshot_skillkit import Question, Step, wire
from earshot_skillkit.testing import SkillTester, text_of

_LANGUAGES = Languages.load()


class Conversation:
    """What is said to one skill, turn by turn, and what it answers.

    Args:
        skill: Held by the test.
        interpreter: NLU, taught every skill that is to be about.
        locale: BCP-47.

    Attributes:
        meant: What the last words were taken for, replies filled in.
        steps: The skill's last answer.
    """

    def __init__(self, skill: SkillTester, interpreter: Interpreter, locale: str = "en-US") -> None:
        self._skill = skill
        self._interpreter = interpreter
        self._locale = locale
        self._catalogue = CatalogueBuilder().build(_snapshot(skill))
        self._session = Session(session_id=SessionId("s"), expire_time=skill.now + timedelta(days=1))
        self._called: Hypothesis | None = None
        self.meant: Hypothesis | None = None
        self.steps: list[Step] = []

    async def say(self, words: str) -> str:
        """Return the answer; empty where there is none to hear."""
        decision, before = self._decide(words), self._session
        self._session = replace(before, pending_question=None)
        language = _LANGUAGES.or_fallback(self._locale)
        self.meant = getattr(decision, "hypothesis", None)
        match decision:
            case policy.CallSkill():
                self._called = decision.hypothesis
                return await self._call(decision.hypothesis, decision.ask_count)
            case policy.AskSlot():
                self._ask(decision.hypothesis, decision.slot_name, decision.ask_count)
                question = decision.route.skill.question(
                    self._locale, decision.hypothesis.intent_name, decision.slot_name
                )
                return question or f"({decision.slot_name})"
            case policy.BuiltIn():
                done = builtin.perform(decision, before, language, self._catalogue, DeviceShadow())
                return " ".join(prompt.text for prompt in done.segment.prompts)
            case policy.NotUnderstood():
                return language.say("not_understood").text
        return ""

    async def again(self) -> str:
        """Return the answer to one more attempt of the last call, as when its replica died."""
        assert self._called is not None
        with self._skill.repeating():
            return await self._call(self._called, 0)

    def _decide(self, words: str) -> policy.Decision:
        utterance = Utterance(
            alternatives=(Alternative(transcript=words),),
            locale=self._locale,
            time_zone=self._skill.time_zone,
            reference_time=self._skill.now,
        )
        event = nlu_wire.interpreted(events_pb2.TurnTranscribed(), self._interpreter.interpret(utterance))
        heard = dialogue_wire.to_heard(event)
        language = _LANGUAGES.or_fallback(self._locale)
        return policy.decide(self._session, heard, self._catalogue, language, policy.Limits())

    async def _call(self, hypothesis: Hypothesis, ask_count: int) -> str:
        slots = {slot.name: wire.filled(dialogue_wire.from_slot(slot)) for slot in hypothesis.slots}
        self.steps = await self._skill.call(hypothesis.intent_name, locale=self._locale, **slots)
        last = self.steps[-1]
        if isinstance(last, Question):
            self._ask(hypothesis, last.slot_name, ask_count + 1)
        return text_of(self.steps)

    def _ask(self, hypothesis: Hypothesis, slot_name: str, ask_count: int) -> None:
        question = PendingQuestion(hypothesis=hypothesis, slot_name=slot_name, ask_count=ask_count)
        self._session = replace(self._session, pending_question=question)


def _snapshot(skill: SkillTester) -> RegistrySnapshot:
    description = wire.description(skill.package)
    endpoint = skill_pb2.SkillEndpoint(skill_id=description.skill_id, target="127.0.0.1:1", weight=1)
    return RegistrySnapshot(revision=1, skills=(RegisteredSkill(description=description, endpoints=(endpoint,)),))
