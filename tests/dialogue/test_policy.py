"""What to do about an utterance: the pure core, without a bus or a skill."""

from __future__ import annotations

import pytest

from earshot_dialogue.core.language import Language
from earshot_dialogue.core.policy import (
    Apologise,
    AskSlot,
    BuiltIn,
    BuiltInIntent,
    CallSkill,
    Decision,
    Limits,
    NotUnderstood,
    Reject,
    decide,
)
from earshot_dialogue.core.session import Session
from earshot_dialogue.core.values import Heard, Hypothesis, Rejection
from earshot_nlu.understanding.ranking import ACTED_ON
from support.policies import ENGLISH, LANGUAGES, asked, catalogue, heard, meaning, session, version

FORECAST = "weather.get_forecast"


def decided(state: Session, what: Heard, language: Language | None = ENGLISH) -> Decision:
    """Decide with the default catalogue and limits."""
    return decide(state, what, catalogue(), language, Limits())


def slots(hypothesis: Hypothesis) -> dict[str, str]:
    """Return a meaning's slots as words."""
    return {slot.name: slot.text for slot in hypothesis.slots}


def test_the_first_hypothesis_that_is_sure_and_served_wins() -> None:
    """One that no skill serves and one that is too unsure are passed over."""
    decision = decided(
        session(),
        heard("x", meaning("cinema.book"), meaning(FORECAST, 0.2, city="Rome"), meaning(FORECAST, 0.9, city="Oslo")),
    )
    assert isinstance(decision, CallSkill)
    assert slots(decision.hypothesis) == {"city": "Oslo"}


def test_what_understanding_calls_not_for_acting_on_is_not_acted_on() -> None:
    """NLU's word and dialogue's default are one figure; the built-in intents are no exception."""
    assert Limits().minimum_confidence == ACTED_ON
    for intent in (FORECAST, "assistant.cancel"):
        assert isinstance(decided(session(), heard("i have never been to japan", meaning(intent, 0.49))), NotUnderstood)
        assert not isinstance(decided(session(), heard("x", meaning(intent, 0.5, city="Oslo"))), NotUnderstood)


def test_a_required_slot_that_is_missing_is_asked_for() -> None:
    """An optional one is not."""
    decision = decided(session(), heard("weather tomorrow", meaning(FORECAST, date="tomorrow")))
    assert isinstance(decision, AskSlot)
    assert (decision.slot_name, decision.ask_count, slots(decision.hypothesis)) == ("city", 1, {"date": "tomorrow"})


@pytest.mark.parametrize(
    ("reply", "city"),
    [
        ("Paris", "Paris"),
        ("in Paris", "Paris"),
        ("um, in Paris please", "Paris"),
        ("the big apple", "the big apple"),
        ("in", "in"),
        ("at.", "at"),
        ("Toronto", "Toronto"),
    ],
)
def test_a_bare_answer_fills_the_slot_that_was_asked_for(reply: str, city: str) -> None:
    """What is said around it is left out; slots from before stay."""
    decision = decided(asked(date="tomorrow"), heard(reply))
    assert isinstance(decision, CallSkill)
    assert slots(decision.hypothesis) == {"date": "tomorrow", "city": city}


@pytest.mark.parametrize(("reply", "city"), [("巴黎", "巴黎"), ("在巴黎吧", "巴黎"), ("嗯，是巴黎。", "巴黎")])
def test_a_bare_answer_in_mandarin_fills_the_slot(reply: str, city: str) -> None:
    """Without spaces, too."""
    decision = decided(asked(), heard(reply), LANGUAGES.find("zh-CN"))
    assert isinstance(decision, CallSkill)
    assert slots(decision.hypothesis) == {"city": city}


def test_a_bare_answer_means_what_the_skills_list_says() -> None:
    """Words of the slot's closed list get their canonical value."""
    decision = decided(asked(), heard("Big Apple"))
    assert isinstance(decision, CallSkill)
    city = decision.hypothesis.slot("city")
    assert city is not None
    assert (city.text, city.value) == ("Big Apple", "New York")


def test_a_slot_that_the_recogniser_found_is_better_than_bare_words() -> None:
    """Even under an intent that it is not sure of: its value is normalised."""
    decision = decided(asked(), heard("make it norway's capital", meaning("clock.get_time", 0.6, city="Oslo")))
    assert isinstance(decision, CallSkill)
    assert slots(decision.hypothesis) == {"city": "Oslo"}
    assert decision.hypothesis.intent == FORECAST


def test_a_full_sentence_of_the_same_intent_completes_the_question() -> None:
    """What it brings replaces what was there."""
    decision = decided(asked(date="today"), heard("x", meaning(FORECAST, city="Rome", date="tomorrow")))
    assert isinstance(decision, CallSkill)
    assert slots(decision.hypothesis) == {"city": "Rome", "date": "tomorrow"}


def test_another_intent_said_clearly_changes_the_subject() -> None:
    """Said unclearly, it is taken as the answer."""
    decision = decided(asked(), heard("lights on", meaning("lights.switch_on")))
    assert isinstance(decision, CallSkill)
    assert decision.hypothesis.intent == "lights.switch_on"
    unclear = decided(asked(), heard("Lyons", meaning("lights.switch_on", 0.5)))
    assert isinstance(unclear, CallSkill)
    assert slots(unclear.hypothesis) == {"city": "Lyons"}


def test_the_question_again_is_asked_again_and_then_no_more() -> None:
    """The same intent without an answer is no answer; the third time is the last."""
    again = decided(asked(1), heard("weather", meaning(FORECAST)))
    assert isinstance(again, AskSlot)
    assert again.ask_count == 2
    last = decided(asked(3), heard("weather", meaning(FORECAST)))
    assert isinstance(last, Apologise)
    assert last.fault.code == "question_unanswered"


def test_an_answer_with_words_nobody_knows_is_asked_for_again() -> None:
    """The recogniser that knows no such word says not for us: while a question is pending, somebody meant us."""
    what = Heard(rejection=Rejection.NOT_FOR_US)
    assert isinstance(decided(asked(), what), AskSlot)
    silent = decided(session(), what)
    assert isinstance(silent, Reject)
    assert silent.fault.code == "not_for_us"


def test_a_question_whose_skill_has_gone_is_apologised_for() -> None:
    """There is nobody left to answer to."""
    decision = decide(asked(), heard("Paris"), catalogue(version("clock")), ENGLISH, Limits())
    assert isinstance(decision, Apologise)
    assert decision.fault.code == "skill_unavailable"


@pytest.mark.parametrize("state", [session(), asked()])
@pytest.mark.parametrize("intent", list(BuiltInIntent))
def test_a_built_in_comes_before_everything_else(state: Session, intent: BuiltInIntent) -> None:
    """Also while a question is pending."""
    decision = decided(state, heard("x", meaning(intent.value), meaning(FORECAST, city="Paris")))
    assert isinstance(decision, BuiltIn)
    assert decision.intent is intent


@pytest.mark.parametrize(
    ("said", "city"), [("and in Tokyo?", "Tokyo"), ("what about big apple", "big apple"), ("And Oslo too", "Oslo")]
)
def test_a_follow_up_exchanges_the_slot_it_fits(said: str, city: str) -> None:
    """The rest of the last meaning stays."""
    last = meaning(FORECAST, city="Paris", date="tomorrow")
    decision = decided(session(last=last), heard(said))
    assert isinstance(decision, CallSkill)
    assert slots(decision.hypothesis) == {"date": "tomorrow", "city": city}


def test_a_mandarin_follow_up_is_marked_by_its_end() -> None:
    """上海呢 is one, 上海 is not."""
    state = session(last=meaning(FORECAST, city="北京"))
    chinese = LANGUAGES.find("zh-CN")
    decision = decided(state, heard("那上海呢？"), chinese)
    assert isinstance(decision, CallSkill)
    assert slots(decision.hypothesis) == {"city": "上海"}
    assert isinstance(decided(state, heard("上海"), chinese), NotUnderstood)


@pytest.mark.parametrize(("said", "locale"), [("and on Friday?", "en-US"), ("那后天呢", "zh-CN")])
def test_a_follow_up_about_a_time_is_not_taken_for_a_place(said: str, locale: str) -> None:
    """What NLU could not tell the day of is not understood."""
    state = session(last=meaning(FORECAST, city="Paris"))
    assert isinstance(decided(state, heard(said), LANGUAGES.find(locale)), NotUnderstood)


def test_a_follow_up_that_was_recognised_inherits_what_it_does_not_say() -> None:
    """And tomorrow: the date is new, the city the last one. Said in full, nothing is inherited."""
    state = session(last=meaning(FORECAST, city="Paris", date="today"))
    decision = decided(state, heard("and tomorrow", meaning(FORECAST, date="tomorrow")))
    assert isinstance(decision, CallSkill)
    assert slots(decision.hypothesis) == {"city": "Paris", "date": "tomorrow"}
    assert isinstance(decided(state, heard("weather tomorrow", meaning(FORECAST, date="tomorrow"))), AskSlot)


def test_what_was_not_understood_is_said_to_be() -> None:
    """No hypothesis, nothing pending, nothing to follow up."""
    assert isinstance(decided(session(), heard("gibberish")), NotUnderstood)
    assert isinstance(decided(session(last=meaning(FORECAST, city="Paris")), heard("gibberish")), NotUnderstood)
    assert isinstance(decided(session(), Heard(error_code="empty_text")), NotUnderstood)


@pytest.mark.parametrize(
    ("what", "language", "code", "stage"),
    [
        (Heard(rejection=Rejection.BAD_AUDIO), ENGLISH, "bad_audio", "asr"),
        (Heard(rejection=Rejection.BAD_AUDIO, error_code="malformed_opus"), ENGLISH, "malformed_opus", "asr"),
        (Heard(error_code="internal"), ENGLISH, "internal", "nlu"),
        (heard("bonjour"), None, "unsupported_locale", "dialogue"),
        (heard("film", meaning("cinema.book")), ENGLISH, "skill_unavailable", "dialogue"),
    ],
)
def test_an_error_before_us_is_apologised_for(what: Heard, language: Language | None, code: str, stage: str) -> None:
    """With its own code and the stage that it came from."""
    decision = decided(session(), what, language)
    assert isinstance(decision, Apologise)
    assert (decision.fault.code, decision.fault.stage) == (code, stage)


def test_no_speech_leaves_a_pending_question_alone() -> None:
    """Silence is no answer and no reason to speak."""
    decision = decided(asked(), Heard(rejection=Rejection.NO_SPEECH))
    assert isinstance(decision, Reject)
    assert decision.fault.code == "no_speech"
