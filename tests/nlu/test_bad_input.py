"""What can't be understood is refused with a code, cheaply, and disturbs nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot_nlu.understanding.catalogue import CatalogueBuilder
from earshot_nlu.understanding.errors import (
    EmptyTextError,
    InvalidReferenceTimeError,
    TextTooLongError,
    UnknownLocaleError,
    UnknownTimeZoneError,
)
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Alternative, SkillWords, Utterance
from support.understanding import LANGUAGES, LOCALES, WEDNESDAY, ask, best, meaning, skill_words, taught, utterance


@pytest.mark.parametrize("text", ["", "   ", "?!…", "🙂🙂", "👩‍👩‍👧☀️", "\u200b\u200b", "。。。", "\x00\x01"])
@pytest.mark.parametrize("locale", LOCALES)
def test_text_without_words_is_empty(interpreter: Interpreter, text: str, locale: str) -> None:
    """Nothing, blanks, punctuation and emoji hold no words."""
    with pytest.raises(EmptyTextError) as refused:
        ask(interpreter, text, locale=locale)
    assert (refused.value.code, refused.value.stage, refused.value.retryable) == ("empty_text", "nlu", False)


def test_no_alternative_is_empty(interpreter: Interpreter) -> None:
    """An utterance without a single alternative holds no words."""
    with pytest.raises(EmptyTextError):
        interpreter.interpret(utterance())


def test_empty_alternatives_are_passed_over(interpreter: Interpreter) -> None:
    """An empty alternative before a good one changes nothing but the index."""
    found = ask(interpreter, "", "pause")
    assert found.hypotheses[0].alternative_index == 1
    assert found.transcript == "pause"


@pytest.mark.parametrize("locale", LOCALES)
def test_very_long_text_is_refused_at_once(interpreter: Interpreter, locale: str) -> None:
    """100 kB of text cost no more than looking at their length."""
    text = "今天 play " * 12_500
    started = time.process_time()
    with pytest.raises(TextTooLongError) as refused:
        ask(interpreter, "pause", text, locale=locale)
    assert refused.value.code == "text_too_long"
    assert time.process_time() - started < 0.05


def test_longest_text_is_looked_at(interpreter: Interpreter) -> None:
    """The limit itself is allowed."""
    assert ask(interpreter, "a" * 1000).hypotheses == ()
    with pytest.raises(TextTooLongError):
        ask(interpreter, "a" * 1001)


@pytest.mark.parametrize("locale", ["", "en", "de-DE", "en-us", "x" * 5000])
def test_unknown_locale(interpreter: Interpreter, locale: str) -> None:
    """A locale that no language serves is refused, with those that are served named."""
    with pytest.raises(UnknownLocaleError, match="en-US, zh-CN") as refused:
        ask(interpreter, "pause", locale=locale)
    assert refused.value.code == "unknown_locale"
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "/etc/localtime", "Asia", "\x00", "x" * 5000])
def test_unknown_time_zone(interpreter: Interpreter, zone: str) -> None:
    """A time zone that does not exist is refused, whatever it is made of."""
    with pytest.raises(UnknownTimeZoneError) as refused:
        interpreter.interpret(utterance("pause", zone=zone))
    assert refused.value.code == "unknown_time_zone"


def test_no_time_zone_is_utc(interpreter: Interpreter) -> None:
    """Without a time zone tomorrow is UTC's."""
    found = interpreter.interpret(utterance("events tomorrow in Paris", zone=""))
    assert found.hypotheses[0].slots[0].value.start.isoformat() == "2026-11-19T00:00:00+00:00"


@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_reference_time_outside_the_calendar(interpreter: Interpreter, year: int) -> None:
    """A moment so far off that its neighbours don't exist is refused."""
    said = Utterance(
        alternatives=(Alternative(transcript="pause"),),
        locale="en-US",
        time_zone="UTC",
        reference_time=datetime(year, 1, 1, tzinfo=UTC),
    )
    with pytest.raises(InvalidReferenceTimeError):
        interpreter.interpret(said)


@given(st.text(max_size=120), st.sampled_from(LOCALES))
@settings(max_examples=150)
def test_no_text_crashes(interpreter: Interpreter, text: str, locale: str) -> None:
    """Any text is understood, not understood, or refused with a code."""
    try:
        found = ask(interpreter, text, locale=locale)
    except EmptyTextError:
        return
    assert all(0 <= one.confidence <= 1 for one in found.hypotheses)


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("play " + "by " * 98, "en-US"),
        ("play " + "a by " * 59, "en-US"),
        ("remind me to " + "tomorrow to on at " * 15, "en-US"),
        ("five " * 199, "en-US"),
        ("1 " * 450, "en-US"),
        ("提醒我" + "明天提醒我" * 50, "zh-CN"),
        ("二十" * 400, "zh-CN"),
        ("播放" * 140, "zh-CN"),
    ],
)
def test_repetitions_do_not_take_long(interpreter: Interpreter, text: str, locale: str) -> None:
    """Text made to give wildcards many ways to match is read, or not, in bounded time."""
    started = time.process_time()
    ask(interpreter, text, locale=locale)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    "sentences",
    [
        "",
        "[]",
        "just words",
        "intents: [1, 2]",
        "intents: {x: {}}",
        "intents: {x: {data: [{}]}}",
        "intents: {x: {data: [{sentences: 3}]}}",
        "{unclosed",
        "!!python/object/apply:os.system ['true']",
        "lists: {a: {nothing: 1}}\nintents: {x: {data: [{sentences: [hello]}]}}",
        "lists: {a: {range: {from: 9, to: 1}}}\nintents: {x: {data: [{sentences: [hello]}]}}",
        "expansion_rules: {a: '(b'}\nintents: {x: {data: [{sentences: ['<a>']}]}}",
    ],
)
def test_unreadable_sentence_file_leaves_one_skill_out(sentences: str, words: list[SkillWords]) -> None:
    """A skill whose file can't be read is told of and left out; the others are understood."""
    catalogue = CatalogueBuilder(LANGUAGES).build([*words, skill_words("bad", "en-US", sentences)], 3)
    assert [problem for problem in catalogue.problems if problem.startswith("bad 1.0.0 en-US: ")] or not sentences
    interpreter = Interpreter(LANGUAGES)
    interpreter.use(catalogue)
    assert meaning(best(interpreter, "play some jazz")) == ("player.play", {"genre": "jazz"})


def test_unreadable_sentence_leaves_one_sentence_out() -> None:
    """A sentence that names what does not exist, or a rule that holds itself, is told of; its neighbours work."""
    sentences = """
intents:
  hello:
    data: [{sentences: ["hello {nobody}", "hello <nothing>", "hello <round>", "hello (", "hello world"]}]
expansion_rules:
  round: "<round> again"
"""
    catalogue = CatalogueBuilder(LANGUAGES).build([skill_words("greeter", "en-US", sentences)], 1)
    assert len(catalogue.problems) == 4
    assert all(problem.startswith("greeter.hello 'hello ") for problem in catalogue.problems)
    interpreter = Interpreter(LANGUAGES)
    interpreter.use(catalogue)
    assert meaning(best(interpreter, "hello world")) == ("greeter.hello", {})


def test_skill_without_sentences_is_no_problem() -> None:
    """A skill that says nothing in a locale is simply not understood in it."""
    assert taught([skill_words("mute", "en-US", "intents: {}")]).revision == 1


def test_one_template_for_anything_is_hardly_believed() -> None:
    """A template that is nothing but a wildcard never beats another one, and is below what a caller acts on."""
    anything = "intents: {ask: {data: [{sentences: ['{question}']}]}}\nlists: {question: {wildcard: true}}"
    found = best(taught([skill_words("llm", "en-US", anything)]), "why is the sky blue")
    assert meaning(found) == ("llm.ask", {"question": "why is the sky blue"})
    assert found is not None
    assert found.confidence < 0.5


def test_reference_time_is_when_it_was_said(interpreter: Interpreter) -> None:
    """Tomorrow counts from the moment of speaking."""
    assert WEDNESDAY.isoformat() == "2026-11-18T10:30:00+08:00"
    found = best(interpreter, "events tomorrow in Paris")
    assert meaning(found)[1]["date"] == "2026-11-19T00:00/day"
