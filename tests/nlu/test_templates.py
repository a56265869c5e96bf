"""What sentence templates understand, and how the best of several readings is found."""

from __future__ import annotations

import pytest

from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Recognizer
from support.understanding import ask, best, meaning, skill_words, taught

ENGLISH = [
    ("play some jazz", "player.play", {"genre": "jazz"}),
    ("Play some jazz!", "player.play", {"genre": "jazz"}),
    ("please play me some hip-hop music thank you", "player.play", {"genre": "Hip-Hop"}),
    ("play drum and bass", "player.play", {"genre": "Drum & Bass"}),
    ("play classic music", "player.play", {"genre": "classical"}),
    ("play Don't Stop Me Now", "player.play", {"query": "Don't Stop Me Now"}),
    ("play “Déjà Vu” by Beyoncé", "player.play", {"query": "Déjà Vu", "artist": "Beyoncé"}),
    ("play   Let It Be", "player.play", {"query": "Let It Be"}),
    ("skip this song", "player.next", {}),
    ("set a timer for ten minutes", "timer.start", {"length": 600}),
    ("set a half an hour timer", "timer.start", {"length": 1800}),
    ("set a timer called pasta for nine minutes", "timer.start", {"name": "pasta", "length": 540}),
    ("start a timer", "timer.start", {}),
    ("remind me to call Bob tomorrow at 5 pm", "timer.remind", {"what": "call Bob", "when": "2026-11-19T17:00/hour"}),
    ("remind me tomorrow morning to call Bob", "timer.remind", {"what": "call Bob", "when": "2026-11-19T06:00/hour"}),
    ("what's on in New York this weekend", "timer.visit", {"city": "New York", "date": "2026-11-21T00:00/day"}),
    ("events tomorrow in Paris", "timer.visit", {"city": "Paris", "date": "2026-11-19T00:00/day"}),
    ("events new year's eve in Rome", "timer.visit", {"city": "Rome", "date": "2026-12-31T00:00/day"}),
    ("dim the lights to 40", "lamp.brightness", {"level": 40.0}),
    ("dim the lights in the kitchen to forty two percent", "lamp.brightness", {"level": 42.0, "room": "kitchen"}),
    ("make the light two thousand seven hundred kelvin", "lamp.warmth", {"kelvin": 2700.0}),
    ("turn the living room lights off", "lamp.turn_off", {"room": "living room"}),
    ("turn on the light", "lamp.turn_on", {}),
    ("lights everywhere on", "lamp.turn_on", {"room": "all"}),
    ("that's enough", "assistant.stop", {}),
    ("that is enough", "assistant.stop", {}),
    ("what did you just say", "assistant.repeat", {}),
]

MANDARIN = [
    ("播放爵士乐", "player.play", {"genre": "jazz"}),
    ("放点摇滚音乐吧", "player.play", {"genre": "rock"}),
    ("请播放 Let It Be", "player.play", {"query": "Let It Be"}),
    ("我想听《月亮代表我的心》", "player.play", {"query": "月亮代表我的心"}),
    ("下一首", "player.next", {}),
    ("定一个十分钟的闹钟", "timer.start", {"length": 600}),
    ("计时一个半小时", "timer.start", {"length": 5400}),
    ("明天下午三点半提醒我开会", "timer.remind", {"when": "2026-11-19T15:30/minute", "what": "开会"}),
    ("提醒我后天交房租", "timer.remind", {"when": "2026-11-20T00:00/day", "what": "交房租"}),
    ("下周五上海有什么活动？", "timer.visit", {"date": "2026-11-27T00:00/day", "city": "上海"}),
    ("东京这周末有什么活动", "timer.visit", {"date": "2026-11-21T00:00/day", "city": "东京"}),
    ("把客厅的灯调到百分之五十", "lamp.brightness", {"room": "客厅", "level": 50.0}),
    ("亮度调到５０", "lamp.brightness", {"level": 50.0}),
    ("色温调到两千七百", "lamp.warmth", {"kelvin": 2700.0}),
    ("打开 厨房 的 灯", "lamp.turn_on", {"room": "厨房"}),
    ("把卧室灯关掉", "lamp.turn_off", {"room": "卧室"}),
    ("停一下", "assistant.stop", {}),
    ("你刚才说什么", "assistant.repeat", {}),
]


@pytest.mark.parametrize(("said", "intent", "slots"), ENGLISH)
def test_english_sentences(interpreter: Interpreter, said: str, intent: str, slots: dict[str, object]) -> None:
    """A sentence of a template is understood with its slots read, in the user's own spelling."""
    assert meaning(best(interpreter, said)) == (intent, slots)


@pytest.mark.parametrize(("said", "intent", "slots"), MANDARIN)
def test_mandarin_sentences(interpreter: Interpreter, said: str, intent: str, slots: dict[str, object]) -> None:
    """A sentence of a template is understood with its slots read, with or without spaces."""
    assert meaning(best(interpreter, said, locale="zh-CN")) == (intent, slots)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("what['s| is] the time", "what's the time"),
        ("what['s| is] the time", "what is the time"),
        ("(what's|what is) the time", "whats the time"),
        ("What’s the time?", "what is the time"),
        ("{city}'s weather", "Tokyo's weather"),
        ("{city}['s] weather", "tokyo’s weather"),
        ("{city}['s] weather", "tokyo weather"),
        ("new year['s] day", "new year's day"),
        ("new year['s] day", "new year day"),
        ("it['s| is] [not] 20%", "it is 20 percent"),
        ("turn on the light[s]", "turn on the lights"),
        ("turn on the {room}s", "turn on the kitchens"),
        ("(up;down) please", "down up please"),
        ("a <rule> c", "a b b c"),
    ],
)
def test_templates_are_normalised_like_utterances(template: str, said: str) -> None:
    """However a template is punctuated and contracted, it meets what is said."""
    sentences = f"""
intents:
  it:
    data:
      - sentences: ["{template}"]
lists:
  city: {{values: [Tokyo, {{in: "Xi'an", out: xian}}]}}
  room: {{values: [kitchen]}}
expansion_rules:
  rule: "b [b]"
"""
    assert best(taught([skill_words("s", "en-US", sentences)]), said).confidence == 1.0


def test_slot_keeps_the_words_as_they_were_said(interpreter: Interpreter) -> None:
    """A slot tells both what was said and what it means."""
    found = best(interpreter, "Dim the lights to Forty-Two percent!")
    assert found is not None
    assert [(slot.text, slot.value) for slot in found.slots] == [("Forty-Two", 42.0)]


def test_every_word_accounted_for_is_certain(interpreter: Interpreter) -> None:
    """A sentence without wildcards has confidence 1, one with wildcards less."""
    exact, free = best(interpreter, "play some jazz"), best(interpreter, "play yellow submarine")
    assert exact is not None
    assert free is not None
    assert exact.confidence == 1.0
    assert 0.6 <= free.confidence < 0.95
    assert exact.recognizer is free.recognizer is Recognizer.TEMPLATE


def test_more_of_the_templates_own_words_win(interpreter: Interpreter) -> None:
    """Of two readings with wildcards the one that explains more words comes first; the other one follows."""
    found = ask(interpreter, "play Help by The Beatles").hypotheses
    assert [{slot.name: slot.value for slot in one.slots} for one in found] == [
        {"query": "Help", "artist": "The Beatles"},
        {"query": "Help by The Beatles"},
    ]
    assert found[0].confidence > found[1].confidence


@pytest.mark.parametrize(
    "said", ["set a timer for a banana", "dim the lights to 140", "turn on the lights now or never", "lights", "by"]
)
def test_nearly_a_sentence_is_none(interpreter: Interpreter, said: str) -> None:
    """A template matches as a whole or not at all, and a value has to be one."""
    assert best(interpreter, said) is None


def test_later_alternative_helps(interpreter: Interpreter) -> None:
    """What the recogniser heard second best is used when the best makes no sense, and said so."""
    found = ask(interpreter, ("play sum jars", 0.6), ("play some jazz", 0.5))
    assert meaning(found.hypotheses[0]) == ("player.play", {"genre": "jazz"})
    assert found.hypotheses[0].alternative_index == 1
    assert found.transcript == "play some jazz"
    assert 0.9 < found.hypotheses[0].confidence < 1.0


def test_much_less_believed_alternative_does_not_win(interpreter: Interpreter) -> None:
    """An alternative that the recogniser hardly believes in loses against a plain reading of the first."""
    found = best(interpreter, ("play yellow submarine", 0.98), ("play jazz", 0.05))
    assert meaning(found) == ("player.play", {"query": "yellow submarine"})


def test_empty_ranking_is_an_answer(interpreter: Interpreter) -> None:
    """Words that nothing registered means give no hypothesis, but the transcript and the revision."""
    found = ask(interpreter, "the committee will publish its report")
    assert found.hypotheses == ()
    assert found.transcript == "the committee will publish its report"
    assert found.registry_revision == 7


def test_ranking_is_short_and_sorted(interpreter: Interpreter) -> None:
    """A ranking holds at most five meanings, each once, best first."""
    found = ask(interpreter, "play a by b by c by d by e by f by g").hypotheses
    assert len(found) == 5
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    assert len({str(meaning(one)) for one in found}) == 5
