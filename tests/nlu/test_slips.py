"""Small slips of recognisers and keyboards are forgiven; speech that means something else is not bent into a command."""

from __future__ import annotations

import pytest

from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Recognizer
from support.understanding import best, meaning, skill_words, taught

ENGLISH_SLIPS = [
    ("paws the music", "player.pause", {}),
    ("pause the musik", "player.pause", {}),
    ("skip the sung", "player.next", {}),
    ("set a timmer for ten minutes", "timer.start", {"length": 600}),
    ("sit a timer for ten minutes", "timer.start", {"length": 600}),
    ("set timer for ten minutes", "timer.start", {"length": 600}),
    ("set a a timer for ten minutes", "timer.start", {"length": 600}),
    ("set the timer for ten minutes", "timer.start", {"length": 600}),
    ("dim the lites to forty", "lamp.brightness", {"level": 40.0}),
    ("dim the lights in the kichen to forty", "lamp.brightness", {"level": 40.0, "room": "kitchen"}),
    ("tern on the kitchen lights", "lamp.turn_on", {"room": "kitchen"}),
    ("turn on the kichin lights", "lamp.turn_on", {"room": "kitchen"}),
    ("turn on the livingroom lights", "lamp.turn_on", {"room": "living room"}),
    ("turn off the bed room lights", "lamp.turn_off", {"room": "bedroom"}),
    ("turn of the bedroom lights", "lamp.turn_off", {"room": "bedroom"}),
    ("play some jaz", "player.play", {"genre": "jazz"}),
    ("play sum jazz", "player.play", {"genre": "jazz"}),
    ("what did you just sey", "assistant.repeat", {}),
    ("wat can i say", "assistant.help", {}),
]

MANDARIN_SLIPS = [
    ("打开除房的灯", "lamp.turn_on", {"room": "厨房"}),
    ("打开橱房灯", "lamp.turn_on", {"room": "厨房"}),
    ("把课厅的灯打开", "lamp.turn_on", {"room": "客厅"}),
    ("亮肚调到五十", "lamp.brightness", {"level": 50.0}),
    ("把卧室的登关掉", "lamp.turn_off", {"room": "卧室"}),
    ("明天被京有什么活动", "timer.visit", {"city": "北京", "date": "2026-11-19T00:00/day"}),
    ("你刚才锁什么", "assistant.repeat", {}),
    ("播放绝世音乐", "player.play", {"genre": "jazz"}),
    ("下一手歌", "player.next", {}),
    ("定一个十分钟的闹中", "timer.start", {"length": 600}),
]

ENGLISH_SPEECH = [
    "i went to the bank yesterday",
    "pay my electric bill from my checking account",
    "i want to learn an interesting fact about cats",
    "peace",
    "the quick brown fox jumps over the lazy dog",
    "he paused for a moment and looked at the sea",
    "what do you think about the economy",
    "she sat in the kitchen with a cup of tea",
    "the lights in the city are beautiful at night",
    "it was the best of times it was the worst of times",
    "turn left at the next crossing",
    "turn on the radio",
    "turn on the kitchen tap",
    "turn the page please",
    "set the table for dinner",
    "set a good example for the children",
    "skip the queue",
    "skip this meeting",
    "next to the song",
    "cause",
    "call my mother",
    "what can i do about the noise",
    "say it with flowers",
    "stop and smell the roses",
    "dim sum for lunch",
    "the timer is broken again",
    "ten minutes ago",
    "jazz is a kind of music",
    "my kitchen is white",
    "forty two",
    "yes",
    "no",
    "mm hmm",
    "good morning everyone and welcome to the show",
    "the president said on tuesday that the talks would go on",
]

MANDARIN_SPEECH = [
    "今天我去了银行",
    "他们在花园里玩",
    "这个问题很复杂",
    "现在开会",
    "厨房里有一只猫",
    "打开窗户看看外面",
    "打开电视",
    "关门",
    "灯光很漂亮",
    "我明天去北京出差",
    "北京是中国的首都",
    "十分感谢",
    "下一个问题",
    "音乐会几点开始",
    "你说得对",
    "他说了什么我没听见他的话",
    "好的",
    "嗯",
    "总统周二表示会谈将继续进行",
]


@pytest.mark.parametrize(("said", "intent", "slots"), ENGLISH_SLIPS)
def test_english_slips_are_forgiven(interpreter: Interpreter, said: str, intent: str, slots: dict[str, object]) -> None:
    """A word misheard, misspelt, left out, doubled, joined or split does not hide the sentence."""
    found = best(interpreter, said)
    assert meaning(found) == (intent, slots)
    assert found is None or (found.recognizer is Recognizer.FUZZY and 0.5 <= found.confidence <= 0.85)


@pytest.mark.parametrize(("said", "intent", "slots"), MANDARIN_SLIPS)
def test_mandarin_slips_are_forgiven(
    interpreter: Interpreter, said: str, intent: str, slots: dict[str, object]
) -> None:
    """A character heard as another that sounds the same, or nearly so, does not hide the sentence."""
    found = best(interpreter, said, locale="zh-CN")
    assert meaning(found) == (intent, slots)
    assert found is None or (found.recognizer is Recognizer.FUZZY and 0.5 <= found.confidence <= 0.85)


@pytest.mark.parametrize("said", ENGLISH_SPEECH)
def test_english_speech_is_no_command(interpreter: Interpreter, said: str) -> None:
    """Speech that shares words with a command is not one."""
    assert best(interpreter, said) is None


@pytest.mark.parametrize("said", MANDARIN_SPEECH)
def test_mandarin_speech_is_no_command(interpreter: Interpreter, said: str) -> None:
    """Speech that shares characters with a command is not one."""
    assert best(interpreter, said, locale="zh-CN") is None


def test_slot_of_a_slip_keeps_the_words_as_they_were_said(interpreter: Interpreter) -> None:
    """The slot's words are those that were heard, its value the one that was meant."""
    found = best(interpreter, "Turn on the Kichin lights")
    assert found is not None
    assert [(slot.text, slot.value) for slot in found.slots] == [("Kichin", "kitchen")]


def test_whole_sentence_that_sounds_the_same_beats_a_wildcard() -> None:
    """A wildcard takes a misheard word as well; a sentence without one that sounds like the whole is preferred."""
    sentences = """
intents:
  get_time:
    data: [{sentences: ["现在几点了", "{city}几点了"]}]
lists:
  city: {wildcard: true}
"""
    clock = taught([skill_words("clock", "zh-CN", sentences)])
    assert meaning(best(clock, "先在几点了", locale="zh-CN")) == ("clock.get_time", {})
    assert meaning(best(clock, "东京几点了", locale="zh-CN")) == ("clock.get_time", {"city": "东京"})


def test_likeness_orders_guesses(interpreter: Interpreter) -> None:
    """The fewer letters are wrong the surer the guess."""
    near, far = best(interpreter, "turn on the kichen lights"), best(interpreter, "tern on the kichen lihgts")
    assert near is not None
    assert far is not None
    assert near.confidence > far.confidence
