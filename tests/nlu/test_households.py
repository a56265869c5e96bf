"""A household's own words are understood in that household: as they are said, and as they are misheard."""

from __future__ import annotations

import asyncio
import time

import pytest

from earshot_nlu.households import Households
from earshot_nlu.understanding.household import Known, Vocabulary
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Hypothesis, Recognizer, SkillWords
from earshot_nlu.understanding.ranking import ACTED_ON
from earshot_registry import HouseholdWord
from support.understanding import ENGLISH, LANGUAGES, MANDARIN, WordsOf, meaning, real_skill, taught, utterance


def vocabulary(*texts: str, locale: str = "en-US", skill: str = "timers", name: str = "name") -> Vocabulary:
    """Return a household that calls its timers so."""
    language = ENGLISH if locale == "en-US" else MANDARIN
    return Vocabulary([Known(skill_id=skill, list_name=name, text=text) for text in texts], language)


@pytest.fixture(scope="module")
def timers() -> Interpreter:
    """Return an interpreter of the timers skill and a lamp."""
    return taught([*real_skill("timers"), lamp()])


def lamp() -> SkillWords:
    """Return a skill without any free place."""
    sentences = (
        "{intents: {turn_on: {data: [{sentences: ['turn on the {room} light']}]}},"
        " lists: {room: {values: [kitchen, bedroom]}}}"
    )
    return SkillWords(skill_id="lamp", version="1.0.0", locale="en-US", sentences_yaml=sentences)


def heard(
    interpreter: Interpreter, text: str, words: Vocabulary | None, locale: str = "en-US"
) -> tuple[Hypothesis | None, tuple[str, dict[str, object]]]:
    """Return the first hypothesis and what it means."""
    found = interpreter.interpret(utterance(text, locale=locale), words).hypotheses
    return (found[0] if found else None), meaning(found[0] if found else None)


def test_word_of_a_household_is_as_good_as_a_listed_one(timers: Interpreter) -> None:
    """What a sentence of a skill takes from its list, it takes from the household, with certainty; elsewhere not."""
    here, means = heard(timers, "set a sourdough timer for ten minutes", vocabulary("sourdough"))
    there, _ = heard(timers, "set a sourdough timer for ten minutes", vocabulary("rye"))
    assert here is not None
    assert means == ("timers.set_timer", {"name": "sourdough", "duration": 600.0})
    assert (here.confidence, here.recognizer) == (1.0, Recognizer.TEMPLATE)
    assert there is None or there.confidence < 1.0


def test_sentence_without_a_free_place_takes_it_in_that_household_only(timers: Interpreter) -> None:
    """A room that the skill does not list is a room where the household has it, and nothing in another household."""
    den = vocabulary("den", skill="lamp", name="room")
    assert heard(timers, "turn on the den light", den)[1] == ("lamp.turn_on", {"room": "den"})
    for words in (None, vocabulary("attic", skill="lamp", name="room"), vocabulary("den")):
        found, _ = heard(timers, "turn on the den light", words)
        assert found is None or found.confidence < ACTED_ON


@pytest.mark.parametrize(
    ("say", "slot"),
    [
        ("set a sour dough timer for ten minutes", "sour dough"),
        ("set a sourdoe timer for ten minutes", "sourdoe"),
        ("cancel the sower dough timer", "sower dough"),
    ],
)
def test_word_that_was_misheard_is_the_word(timers: Interpreter, say: str, slot: str) -> None:
    """What sounds or looks like a household's word stands for it; its words are still those that were said."""
    found, (_, slots) = heard(timers, say, vocabulary("sourdough", "rye bread"))
    assert found is not None
    assert found.confidence >= ACTED_ON
    assert slots["name"] == "sourdough"
    assert [one.text for one in found.slots if one.name == "name"] == [slot]
    assert heard(timers, say, None)[1][1].get("name") != "sourdough"


def test_mandarin_word_is_found_by_its_sound(timers: Interpreter) -> None:
    """Characters that sound alike are the household's word."""
    words = vocabulary("馒头", locale="zh-CN")
    assert heard(timers, "取消馒头计时器", words, "zh-CN")[1] == ("timers.cancel_timer", {"name": "馒头"})
    assert heard(timers, "取消满头计时器", words, "zh-CN")[1][1].get("name") == "馒头"


def test_what_is_unlike_stays_what_it_is(timers: Interpreter) -> None:
    """A word that is no household's is taken as it was said, and a listed one is never another."""
    words = vocabulary("sourdough", "pastor")
    assert heard(timers, "set a lasagna timer for ten minutes", words)[1][1]["name"] == "lasagna"
    assert heard(timers, "set a pasta timer for ten minutes", words)[1][1]["name"] == "pasta"


def test_short_words_are_taken_only_as_they_are(timers: Interpreter) -> None:
    """Too much sounds like "ham": it has to be said."""
    words = vocabulary("ham")
    assert heard(timers, "cancel the ham timer", words)[1] == ("timers.cancel_timer", {"name": "ham"})
    assert heard(timers, "cancel the jam timer", words)[1][1].get("name") != "ham"


def test_most_words_that_a_household_may_have_cost_little(timers: Interpreter) -> None:
    """256 words slow an utterance that no sentence accounts for down by a few milliseconds at most."""
    many = vocabulary(*(f"{one}{two}ation" for one in "abcdefghijklmnop" for two in "aeiouklmnoprstuv"))

    def cost(words: Vocabulary | None) -> float:
        began = time.process_time()
        for _ in range(5):
            heard(timers, "i would have liked the timer with something else in it", words)
        return (time.process_time() - began) / 5

    cost(many)
    assert cost(many) - cost(None) < 0.1


async def test_words_are_of_one_household_and_one_language() -> None:
    """Only words of the utterance's household in its language are known, made once for as long as they are the same."""
    sourdough = HouseholdWord(skill_id="timers", list_name="name", locale="en-US", text="sourdough")
    mantou = HouseholdWord(skill_id="timers", list_name="name", locale="zh-CN", text="馒头")
    households = Households(WordsOf({"h1": (sourdough, mantou), "h2": (mantou,)}), LANGUAGES)
    found = await households.of("h1", "en-US")
    assert found is not None
    assert found.closest("timers", "name", "sourdough") == "sourdough"
    assert found.closest("timers", "name", "馒头") is None
    assert await households.of("h1", "en-US") is found
    assert await households.of("h2", "en-US") is None
    assert await households.of("h3", "en-US") is None
    assert await households.of("", "en-US") is None
    assert await households.of("h1", "xx") is None
    await asyncio.sleep(0)
