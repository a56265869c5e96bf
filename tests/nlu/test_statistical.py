"""What no template accounts for: paraphrases are understood, other speech is refused, in both languages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from earshot_nlu.understanding.english.speech import SPEECH as ENGLISH_SPEECH
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Recognizer, SkillWords
from earshot_nlu.understanding.ranking import ACTED_ON
from support.understanding import LANGUAGES, ask, best, built, meaning, with_models

ENGLISH = [
    ("would you get the kitchen lights going", "lamp.turn_on", {"room": "kitchen"}),
    ("make it darker set the brightness to ten", "lamp.brightness", {"level": 10.0}),
    ("get the bathroom lights off now", "lamp.turn_off", {"room": "bathroom"}),
    ("kill the lights in the living room", "lamp.turn_off", {"room": "living room"}),
    ("give me a countdown of ten minutes", "timer.start", {"length": 600.0}),
    ("let me hear some classical music", "player.play", {"genre": "classical"}),
    ("let's go to the next track", "player.next", {}),
    ("what events are there in paris tomorrow", "timer.visit", {"city": "paris", "date": "2026-11-19T00:00/day"}),
    ("say what you said again", "assistant.repeat", {}),
    ("what kinds of things can you do", "assistant.help", {}),
]
MANDARIN = [
    ("厨房太黑了把灯开一下", "lamp.turn_on", {"room": "厨房"}),
    ("能不能把卧室里的灯都关了", "lamp.turn_off", {"room": "卧室"}),
    ("把客厅的灯弄亮到五十", "lamp.brightness", {"room": "客厅", "level": 50.0}),
    ("我想要听一点爵士", "player.play", {"genre": "jazz"}),
    ("换到下一首歌去", "player.next", {}),
    ("先把音乐暂停一会", "player.pause", {}),
    ("给我来一个十分钟的计时", "timer.start", {"length": 600.0}),
    ("明天上海有哪些活动可以参加", "timer.visit", {"city": "上海", "date": "2026-11-19T00:00/day"}),
    ("刚才说了什么再讲一遍", "assistant.repeat", {}),
]
# Disjoint from the everyday speech that models are trained beside.
STRANGE = {
    "en-US": [
        "the government has fallen after a vote",
        "order two pizzas and a salad",
        "how do you spell necessary",
        "book me a flight to london",
        "she plays tennis on wednesdays",
        "the lights in the city are beautiful at night",
        "my kitchen is white",
        "ten minutes ago",
        "good evening ladies and gentlemen",
        "the kettle has just boiled",
    ],
    "zh-CN": [
        "总统周二表示会谈将继续进行",
        "这部电影真难看",
        "给我妈妈转五十块钱",
        "厨房里有一只猫",
        "十分感谢",
        "水刚刚烧开",
    ],
}


@pytest.fixture(scope="module")
def modelled(words: list[SkillWords]) -> Interpreter:
    """Return an interpreter of three small skills whose models are trained."""
    interpreter = Interpreter(LANGUAGES)
    interpreter.use(with_models(built(words)))
    return interpreter


def test_paraphrases_are_understood(modelled: Interpreter) -> None:
    """Sentences that no template has are understood with their slots, surely enough to be acted on, all but one or two."""
    for locale, rows, least in (("en-US", ENGLISH, 9), ("zh-CN", MANDARIN, 8)):
        right = [row for row in rows if _acted_on(modelled, row[0], locale) == row[1:]]
        assert len(right) >= least, [row for row in rows if row not in right]


def test_paraphrase_is_told_as_a_guess_of_the_model(modelled: Interpreter) -> None:
    """What the model found says so, and is never as sure as a template that accounts for every word."""
    found = best(modelled, "kill the lights in the living room")
    assert found is not None
    assert found.recognizer is Recognizer.STATISTICAL
    assert ACTED_ON <= found.confidence <= 0.9
    assert [(slot.name, slot.text) for slot in found.slots] == [("room", "living room")]


@pytest.mark.parametrize("locale", sorted(STRANGE))
def test_other_speech_is_refused(modelled: Interpreter, locale: str) -> None:
    """Speech that is for nobody's skill is not acted on, all but one sentence at most."""
    acted_on = [say for say in STRANGE[locale] if _acted_on(modelled, say, locale) is not None]
    assert len(acted_on) <= 1, acted_on


def test_frame_of_a_command_about_another_thing_is_refused(modelled: Interpreter) -> None:
    """What shares a command's frame but is about a thing that no skill knows is not acted on, all but one at most."""
    says = (
        "turn on the stereo",
        "turn off the lawnmower",
        "turn on the air conditioner",
        "switch on the coffee machine",
    )
    spoken = {word for sentence in ENGLISH_SPEECH.strange for word in sentence.split()}
    assert not {"stereo", "lawnmower", "conditioner", "coffee"} & spoken
    acted_on = [say for say in says if _acted_on(modelled, say, "en-US") is not None]
    assert len(acted_on) <= 1, acted_on


def test_what_a_wildcard_took_is_doubted_where_it_sounds_like_another_intent(modelled: Interpreter) -> None:
    """A template of which a wildcard took the most is not acted on where the model thinks of another intent; else it is."""
    sure = {one.intent: one.confidence for one in ask(modelled, "play say what you said again").hypotheses}
    assert sure["player.play"] < ACTED_ON
    assert sure["assistant.repeat"] > sure["player.play"]
    plain = best(modelled, "play stairway to heaven")
    assert plain is not None
    assert (plain.intent, plain.recognizer) == ("player.play", Recognizer.TEMPLATE)
    assert plain.confidence >= ACTED_ON


def test_listed_value_is_found_by_its_sound(modelled: Interpreter) -> None:
    """A listed value that was misheard is still that value, its words those that were said."""
    found = best(modelled, "除房的灯给我打开好吗", locale="zh-CN")
    assert found is not None
    assert found.recognizer is Recognizer.STATISTICAL
    assert [(slot.text, slot.value) for slot in found.slots] == [("除房", "厨房")]


def test_better_alternative_outvotes_the_first(modelled: Interpreter) -> None:
    """Where the first alternative means nothing, a later one that does is taken, and told."""
    found = ask(modelled, ("skills delights in the living broom", 0.5), ("kill the lights in the living room", 0.45))
    assert found.hypotheses[0].intent == "lamp.turn_off"
    assert found.hypotheses[0].alternative_index == 1
    assert found.transcript == "kill the lights in the living room"


def test_templates_come_first(modelled: Interpreter, interpreter: Interpreter) -> None:
    """A sentence of a template means with a model what it means without."""
    for say in ("turn on the kitchen lights", "pause the music", "play yellow submarine", "paws the music"):
        assert best(modelled, say) == best(interpreter, say)


def test_confidence_orders_right_before_wrong(modelled: Interpreter) -> None:
    """Of sentences never seen, the model is surer of those it is right about than of the others, nearly always."""
    outcomes: list[tuple[float, bool]] = []
    for locale, rows in (("en-US", ENGLISH), ("zh-CN", MANDARIN)):
        said: Sequence[tuple[str, str]] = [(say, intent) for say, intent, _ in rows] + [
            (say, "") for say in STRANGE[locale]
        ]
        grammar = modelled_grammar(modelled, locale)
        readings = grammar.model.read([grammar.language.normalise(say).text for say, _ in said])
        outcomes += [(one.confidence, one.intent == intent) for one, (_, intent) in zip(readings, said, strict=True)]
    right = [confidence for confidence, outcome in outcomes if outcome]
    wrong = [confidence for confidence, outcome in outcomes if not outcome]
    assert len(wrong) >= 10
    before = sum(one > other for one in right for other in wrong)
    assert before >= 0.85 * len(right) * len(wrong)


@pytest.mark.parametrize(
    "say",
    [
        "😀 lights 😀",
        "灯 lights 灯",
        "a",
        "lights " * 100,
        "!!! lights ???",
        "ⓛⓘⓖⓗⓣⓢ please",
        "\u202elights off now\u202c",
    ],
)
def test_odd_words_do_no_harm(modelled: Interpreter, say: str) -> None:
    """Whatever is said, both models answer, each slot with words of the utterance."""
    for locale in ("en-US", "zh-CN"):
        for found in ask(modelled, say, locale=locale).hypotheses:
            assert 0 <= found.confidence <= 1
            assert all(slot.text in say for slot in found.slots)


def modelled_grammar(interpreter: Interpreter, locale: str):
    """Return a locale's recogniser."""
    recognizer = interpreter._catalogue.grammars[locale].statistical
    assert recognizer is not None
    return recognizer


def _acted_on(interpreter: Interpreter, say: str, locale: str) -> tuple[str, dict[str, object]] | None:
    found = best(interpreter, say, locale=locale)
    return meaning(found) if found is not None and found.confidence >= ACTED_ON else None
