"""Replies to a skill's questions, by the sentences that it registers for them; the pure core."""

from __future__ import annotations

from earshot_dialogue.core.catalogue import IntentSpec, SlotSpec
from earshot_dialogue.core.policy import AskSlot, CallSkill, Limits, NotUnderstood, decide
from earshot_dialogue.core.session import PendingQuestion
from support.policies import ENGLISH, catalogue, heard, meaning, session, version

TIMERS = version(
    "timers",
    intents=(
        IntentSpec(name="cancel_timer", slots=(SlotSpec(name="name"), SlotSpec(name="length", textual=False))),
        IntentSpec(name="set_timer", slots=(SlotSpec(name="length", textual=False, required=True),)),
        IntentSpec(name="reply", slots=(SlotSpec(name="name"), SlotSpec(name="length", textual=False))),
    ),
)


def test_reply_intent_fills_what_was_asked() -> None:
    """What a skill's reply sentences say goes into the intent that asked, by the slot's name, asked for or not."""
    for reply in (meaning("timers.reply", name="pasta"), meaning("timers.reply", length="ten minutes")):
        waiting = PendingQuestion(hypothesis=meaning("timers.cancel_timer"), slot_name="name")
        decision = decide(session(pending=waiting), heard("that one", reply), catalogue(TIMERS), ENGLISH, Limits())
        assert isinstance(decision, CallSkill)
        assert decision.hypothesis.intent == "timers.cancel_timer"
        assert decision.hypothesis.slots == reply.slots
        assert decision.ask_count == 1


def test_reply_with_the_slot_that_was_asked_for_is_preferred() -> None:
    """Of two readings of a reply the one with the slot asked for is meant."""
    waiting = PendingQuestion(hypothesis=meaning("timers.cancel_timer"), slot_name="name")
    readings = (meaning("timers.reply", length="ten"), meaning("timers.reply", name="ten"))
    decision = decide(session(pending=waiting), heard("ten", *readings), catalogue(TIMERS), ENGLISH, Limits())
    assert isinstance(decision, CallSkill)
    assert [slot.name for slot in decision.hypothesis.slots] == ["name"]


def test_reply_nobody_asked_for_is_not_understood() -> None:
    """A skill's reply sentences mean nothing without its question: not alone, nor to another skill's question."""
    reply = meaning("timers.reply", length="ten minutes")
    last = meaning("timers.cancel_timer", name="pasta")
    for now in (session(), session(last=last)):
        decision = decide(now, heard("and ten minutes", reply), catalogue(TIMERS), ENGLISH, Limits())
        assert isinstance(decision, NotUnderstood)
    waiting = PendingQuestion(hypothesis=meaning("weather.get_forecast"), slot_name="city")
    both = catalogue(TIMERS, version())
    decision = decide(session(pending=waiting), heard("ten minutes", reply), both, ENGLISH, Limits())
    assert isinstance(decision, CallSkill)
    assert decision.hypothesis.intent == "weather.get_forecast"


def test_another_meaning_that_is_likelier_changes_the_subject() -> None:
    """A reply that is less likely than another intent is not taken for one."""
    waiting = PendingQuestion(hypothesis=meaning("timers.cancel_timer"), slot_name="name")
    said = heard(
        "weather in paris", meaning("weather.get_forecast", city="Paris"), meaning("timers.reply", 0.5, name="p")
    )
    decision = decide(session(pending=waiting), said, catalogue(TIMERS, version()), ENGLISH, Limits())
    assert isinstance(decision, CallSkill)
    assert decision.hypothesis.intent == "weather.get_forecast"


def test_words_are_no_duration() -> None:
    """Words that nobody has read as a duration don't fill a slot of that kind: it is asked for again."""
    waiting = PendingQuestion(hypothesis=meaning("timers.set_timer"), slot_name="length")
    decision = decide(session(pending=waiting), heard("bananas"), catalogue(TIMERS), ENGLISH, Limits())
    assert isinstance(decision, AskSlot)
    assert decision.slot_name == "length"
    assert decision.ask_count == 2
