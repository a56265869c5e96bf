"""Sessions over time: opening, moving on, ending; and a machine that walks through dialogues at random."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from earshot_dialogue.core import builtin
from earshot_dialogue.core.policy import AskSlot, BuiltIn, BuiltInIntent, CallSkill, Limits, decide
from earshot_dialogue.core.session import PendingQuestion, Session, TurnEffect, advance, current
from earshot_dialogue.core.values import (
    DeviceShadow,
    Heard,
    OutcomeId,
    Rejection,
    SessionId,
    SkillContext,
    SkillId,
    TurnId,
)
from support.policies import ENGLISH, NOW, asked, catalogue, meaning, session

IDLE = timedelta(minutes=1)


def step(before: Session, turn: str, effect: TurnEffect, now: datetime = NOW) -> Session:
    """Return the session after a turn."""
    return advance(
        before, TurnId(turn), locale="en-US", outcome_id=OutcomeId(f"o-{turn}"), effect=effect, now=now, idle=IDLE
    )


def test_a_turn_moves_the_session_on() -> None:
    """Revision, index, expiry and what was said follow; what the effect leaves out stays."""
    first = step(session(), "t1", TurnEffect(hypothesis=meaning("a.b"), prompts=("one",)))
    second = step(first, "t2", TurnEffect(), NOW + timedelta(seconds=30))
    assert (second.revision, second.next_turn_index, second.last_turn_id) == (2, 2, "t2")
    assert second.expire_time == NOW + timedelta(seconds=90)
    assert (second.last_hypothesis, second.last_prompts, second.last_outcome_id) == (meaning("a.b"), ("one",), "o-t2")


def test_a_turn_that_the_session_holds_changes_nothing() -> None:
    """The same turn again, whatever it would leave."""
    first = step(session(), "t1", TurnEffect(prompts=("one",)))
    assert step(first, "t1", TurnEffect(prompts=("two",))) is first


def test_a_question_is_pending_until_the_next_turn() -> None:
    """Unless that turn asks again."""
    state = asked()
    assert step(state, "t2", TurnEffect()).pending_question is None
    assert step(state, "t2", TurnEffect(pending_question=state.pending_question)).pending_question is not None


def test_each_skill_keeps_its_own_context() -> None:
    """What one keeps does not replace what another keeps."""
    one = step(session(), "t1", TurnEffect(contexts={SkillId("a"): SkillContext(b"1")}))
    two = step(one, "t2", TurnEffect(contexts={SkillId("b"): SkillContext(b"2")}))
    three = step(two, "t3", TurnEffect(contexts={SkillId("a"): SkillContext(b"3")}))
    assert three.skill_contexts == {"a": b"3", "b": b"2"}


def test_a_session_does_not_grow_with_the_skills_it_speaks_to() -> None:
    """Eight contexts are kept, the newest always among them."""
    state = session()
    for number in range(20):
        kept = {SkillId(f"skill-{number}"): SkillContext(b"x")}
        state = step(state, f"t{number}", TurnEffect(contexts=kept))
        assert f"skill-{number}" in state.skill_contexts
    assert len(state.skill_contexts) == 8


def test_an_expired_session_is_followed_by_a_fresh_one() -> None:
    """With a new id and nothing kept but the revision, which goes on."""
    old = step(asked(), "t1", TurnEffect(prompts=("one",)))
    assert current(old, NOW + timedelta(seconds=59), SessionId("s2")) is old
    fresh = current(old, NOW + timedelta(seconds=60), SessionId("s2"))
    assert (fresh.session_id, fresh.revision, fresh.next_turn_index) == ("s2", old.revision, 0)
    assert (fresh.pending_question, fresh.last_prompts, fresh.last_turn_id) == (None, (), None)


def test_a_reply_to_an_answer_that_took_long_to_speak_is_one() -> None:
    """A turn that names its session finds it, expired or not; one that names another does not."""
    old, late = step(asked(), "t1", TurnEffect()), NOW + timedelta(minutes=5)
    assert current(old, late, SessionId("s2"), follows=SessionId("s1")) is old
    assert current(old, late, SessionId("s2"), follows=SessionId("s0")).session_id == "s2"


class Dialogue(RuleBasedStateMachine):
    """Says anything to a device for a while, and acts on the decisions as the service does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.state: Session | None = None
        self.turns = 0
        self.asks = 0

    @rule(seconds=st.integers(0, 90))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    @rule(
        transcript=st.sampled_from(["Paris", "and Oslo", "words", "", "in", "…", "please"]) | st.text(max_size=12),
        hypotheses=st.lists(
            st.builds(
                meaning,
                st.sampled_from(
                    ["weather.get_forecast", "lights.switch_on", "cinema.book", "assistant.unknown", "noskill", ""]
                    + [each.value for each in BuiltInIntent]
                ),
                st.sampled_from([0.0, 0.4, 0.8, 1.0]),
            )
            | st.builds(lambda city: meaning("weather.get_forecast", city=city), st.sampled_from(["Rome", ""])),
            max_size=3,
        ),
        rejection=st.sampled_from(list(Rejection)),
        again=st.booleans(),
    )
    def say(self, transcript: str, hypotheses: list, rejection: Rejection, again: bool) -> None:  # noqa: FBT001
        """Take one turn, and perhaps the same one again."""
        before = current(self.state, self.now, SessionId(f"s{self.turns}"))
        what = Heard(transcript=transcript, hypotheses=tuple(hypotheses), rejection=rejection)
        decision = decide(before, what, catalogue(), ENGLISH, Limits())
        assert decision == decide(before, what, catalogue(), ENGLISH, Limits())
        effect = TurnEffect(prompts=("words",))
        if isinstance(decision, CallSkill):
            assert decision.hypothesis.intent_name in decision.route.skill.intents
            assert all(decision.hypothesis.slot(spec.name) for spec in decision.route.intent.slots if spec.required)
            effect = replace(effect, hypothesis=decision.hypothesis)
        elif isinstance(decision, AskSlot):
            assert decision.hypothesis.slot(decision.slot_name) is None
            assert 1 <= decision.ask_count <= Limits().maximum_asks
            question = PendingQuestion(
                hypothesis=decision.hypothesis, slot_name=decision.slot_name, ask_count=decision.ask_count
            )
            effect = replace(effect, pending_question=question)
        elif isinstance(decision, BuiltIn):
            performance = builtin.perform(decision, before, ENGLISH, catalogue(), DeviceShadow())
            assert performance.segment.expects_reply == (performance.effect.pending_question is not None)
            effect = performance.effect
        self.turns += 1
        after = step(before, f"t{self.turns}", effect, self.now)
        assert after.revision == before.revision + 1
        if again:
            assert step(after, f"t{self.turns}", effect, self.now) is after
        self.state = after

    @invariant()
    def the_session_lasts(self) -> None:
        """A session that was just written has its idle time before it, and counts its turns."""
        if self.state is not None:
            assert self.state.next_turn_index >= 1
            assert self.state.revision == self.turns
            assert self.state.expire_time <= self.now + IDLE


Dialogue.TestCase.settings = settings(max_examples=50, stateful_step_count=25)
TestDialogue = Dialogue.TestCase
