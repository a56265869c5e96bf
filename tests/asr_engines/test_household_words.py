"""What a household calls things is heard from that household, in its place in the skills' sentences."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from earshot_asr.engines.base import Vocabulary
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.engines.pocketsphinx.household import expand
from support.engines import ENGLISH, MANDARIN, recognise, spoken

TIMERS = """
language: en-US
intents:
  cancel:
    data:
      - sentences: ["cancel the {name} timer", "cancel all timers", "how long is left on the {any:name} timer"]
  other:
    data:
      - sentences: ["what time is it", "remind me of {thing}"]
lists:
  name:
    values: [pasta, egg]
  any:
    wildcard: true
  thing:
    wildcard: true
"""
MANDARIN_TIMERS = """
language: zh-CN
intents:
  cancel:
    data:
      - sentences: ["取消{name}计时器", "取消所有计时器", "{name}还有多久"]
  other:
    data:
      - sentences: ["现在几点", "播放音乐"]
lists:
  name:
    values: [面条, 鸡蛋]
"""
OURS = {"name": ["sourdough", "Grandma's tea"], "thing": ["the recycling"]}


@pytest.mark.parametrize(
    "text",
    [
        "cancel the sourdough timer",
        "how long is left on the grandma's tea timer",
        "remind me of the recycling",
        "cancel the pasta timer",
    ],
)
async def test_own_words_are_heard_where_a_value_may_stand(
    make_engine: Callable[..., PocketsphinxEngine], text: str
) -> None:
    """A household's phrases, of one word or more, are values of lists and wildcards for its utterance; the rest stays."""
    engine = make_engine()
    await engine.start()
    try:
        await engine.set_vocabulary(Vocabulary(revision=1, locales={ENGLISH: (TIMERS,)}))
        ours = await recognise(engine, spoken(text, ENGLISH), ENGLISH, OURS)
        theirs = await recognise(engine, spoken(text, ENGLISH), ENGLISH)
    finally:
        await engine.stop()
    best = ours.alternatives[0]
    assert best.transcript == text
    assert [word.text for word in best.words] == text.split()
    assert all(word.start_offset < word.end_offset for word in best.words)
    assert [one.transcript for one in theirs.alternatives[:1] if one.transcript == text] == [text] * ("pasta" in text)


async def test_own_words_are_heard_in_mandarin_too(make_engine: Callable[..., PocketsphinxEngine]) -> None:
    """The fallback hears a household's phrase in its place, and does not make it out in another household."""
    text = "取消外婆的茶计时器"
    engine = make_engine()
    await engine.start()
    try:
        await engine.set_vocabulary(Vocabulary(revision=1, locales={MANDARIN: (MANDARIN_TIMERS,)}))
        pcm = spoken(text, MANDARIN)
        ours = await recognise(engine, pcm, MANDARIN, {"name": ["外婆的茶"]})
        theirs = await recognise(engine, pcm, MANDARIN)
    finally:
        await engine.stop()
    assert ours.alternatives[0].transcript == text
    assert text not in {one.transcript for one in theirs.alternatives}


async def test_what_can_not_be_said_or_has_no_place_is_no_error(engine: PocketsphinxEngine) -> None:
    """Phrases without words, of lists that no sentence has, or in Mandarin change nothing."""
    pcm = spoken("what time is it", ENGLISH)
    odd = {"name": ["", "!?"], "no such list": ["x"], "nobody": ["Oma"], "city": ["…"]}
    heard = await recognise(engine, pcm, ENGLISH, odd)
    assert heard.alternatives[0].transcript == "what time is it"
    assert await recognise(engine, spoken("现在几点", MANDARIN), MANDARIN, odd)


def test_a_place_is_shared_by_the_words_in_it() -> None:
    """Every n-gram with a place becomes one for each word, which share its probability; others stay as they are."""
    model = "\\data\\\nngram 1=3\nngram 2=2\n\n\\1-grams:\n-0.5000 a -0.1000\n-1.0000 [name] -0.2000\n-2.0000 </s>\n"
    model += "\n\\2-grams:\n-0.3010 a [name]\n-0.4000 [name] </s>\n\n\\end\\\n"
    lines = expand(model, {"[name]": ("x@name", "y@name")}).splitlines()
    assert lines[1:3] == ["ngram 1=4", "ngram 2=4"]
    assert [line for line in lines if "@" in line] == [
        "-1.3010 x@name -0.2000",
        "-1.3010 y@name -0.2000",
        "-0.6020 a x@name",
        "-0.6020 a y@name",
        "-0.4000 x@name </s>",
        "-0.4000 y@name </s>",
    ]
    assert "-0.5000 a -0.1000" in lines
    assert not any("[name]" in line for line in lines)
