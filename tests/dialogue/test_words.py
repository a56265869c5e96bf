"""The assistant's own words, and what it reads from skills' sentences."""

from __future__ import annotations

import string
from datetime import timedelta

import pytest

from earshot_dialogue.core import builtin
from earshot_dialogue.core.language import Language
from earshot_dialogue.core.outcome import Kind, Segment, for_device
from earshot_dialogue.core.policy import BuiltIn, BuiltInIntent
from earshot_dialogue.core.values import DeviceShadow, Prompt, SessionId, SkillDirective, SpeakDirective
from earshot_dialogue.skills import sentences
from support.policies import ENGLISH, LANGUAGES, asked, catalogue, meaning, session

CHINESE = LANGUAGES.find("zh-CN")


def test_every_locale_has_the_same_prompts_with_the_same_values() -> None:
    """Nothing is said in one language that can't be said in another."""
    fields = {
        locale: {
            key: sorted(name for _, name, _, _ in string.Formatter().parse(words) if name)
            for key, words in language.prompts.items()
        }
        for locale in LANGUAGES.locales
        if (language := LANGUAGES.find(locale))
    }
    assert set(fields) == {"en-US", "zh-CN"}
    assert fields["en-US"] == fields["zh-CN"]


def test_an_error_without_words_of_its_own_gets_the_general_ones() -> None:
    """The code decides, and never the message."""
    assert ENGLISH.apology("skill_unavailable").key == "assistant.apology.skill_unavailable"
    assert ENGLISH.apology("made_up").key == "assistant.apology.default"


@pytest.mark.parametrize(
    ("language", "text", "rest"),
    [
        (ENGLISH, "and in Tokyo?", "Tokyo"),
        (ENGLISH, "What about tomorrow", "tomorrow"),
        (ENGLISH, "android", None),
        (ENGLISH, "and", None),
        (ENGLISH, "Tokyo", None),
        (CHINESE, "那东京呢", "东京"),
        (CHINESE, "上海呢？", "上海"),
        (CHINESE, "天气怎么样？", None),
        (CHINESE, "东京", None),
    ],
)
def test_a_follow_up_is_told_by_how_it_begins_or_ends(language: Language, text: str, rest: str | None) -> None:
    """Only whole words count where there are words."""
    assert language.follow_up_rest(text) == rest


def test_closed_lists_and_examples_are_read_from_templates() -> None:
    """Plain entries are values; an example is a template with its options dropped and first alternatives taken."""
    tree = sentences.parse(
        """
intents:
  a: {data: [{sentences: ["<rule> x", "(what|how) is [the] time in {city:place} [please]"]}]}
  b: {data: [{sentences: ["open {nothing}"]}]}
  c: {data: "broken"}
lists:
  city: {values: [Paris, {in: "Big Apple", out: New York}, {in: "(a|b)", out: c}, 7]}
  nothing: {range: {from: 1, to: 3}}
"""
    )
    assert sentences.values(tree) == {"city": {"paris": "Paris", "big apple": "New York"}, "nothing": {}}
    assert sentences.examples(tree) == ("what is time in Paris",)
    assert sentences.parse("a: [") == sentences.parse("just words") == {}


def test_help_gives_examples_of_what_is_running() -> None:
    """And says so when nothing is."""
    help_wanted = BuiltIn(intent=BuiltInIntent.HELP, hypothesis=meaning("assistant.help"))
    performance = builtin.perform(help_wanted, session(), ENGLISH, catalogue(), DeviceShadow())
    assert "what's the weather in paris" in performance.segment.prompts[0].text
    alone = builtin.perform(help_wanted, session(), ENGLISH, type(catalogue())(), DeviceShadow())
    assert alone.segment.prompts[0].key == "assistant.help_without_skills"


def test_help_keeps_a_pending_question() -> None:
    """The microphone reopens for its answer."""
    help_wanted = BuiltIn(intent=BuiltInIntent.HELP, hypothesis=meaning("assistant.help"))
    performance = builtin.perform(help_wanted, asked(), ENGLISH, catalogue(), DeviceShadow())
    assert performance.segment.expects_reply
    assert performance.effect.pending_question == asked().pending_question


def test_a_speak_directive_stands_where_the_skill_put_it() -> None:
    """Otherwise first; a silent answer has none."""

    def commands(segment: Segment) -> list[str]:
        played = for_device(segment, spoken=True, session_id=SessionId("s"), listen=timedelta(seconds=8))
        return [type(each).__name__ for each in played.directives]

    said = (Prompt(text="Hello.", locale="en-US"),)
    tune = SkillDirective(payload=b"")
    assert commands(Segment(kind=Kind.ANSWERED, prompts=said, directives=(tune,))) == [
        SpeakDirective.__name__,
        SkillDirective.__name__,
    ]
    assert commands(Segment(kind=Kind.ANSWERED, directives=(tune,))) == [SkillDirective.__name__]
    placed = SkillDirective(payload=b"", speaks=True)
    assert len(commands(Segment(kind=Kind.ANSWERED, prompts=said, directives=(tune, placed)))) == 2
