from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from bench.recognition.clips import Clip, mixed
from bench.recognition.coffee import INTENT, coffee_document, template
from bench.recognition.evaluating import understood
from bench.recognition.halving import halves
from bench.recognition.saying import commands, other
from bench.recognition.scoring import Share, same_meaning, same_words
from bench.recognition.skills import coffee
from bench.recognition.talkers import talkers
from earshot_asr.engines.base import Alternative, Recognition, Rejection
from support.understanding import taught

GRAMMAR = """
context:
  expressions:
    orderDrink:
      - "[brew, can I get] [a, an] $size:size $coffeeDrink:coffeeDrink with $milkAmount:milk"
  slots:
    size: [small, eight ounce]
    coffeeDrink: [latte, iced mocha]
    milkAmount: [a bit of milk]
"""


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(8, 10, 0.490, 0.943), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (93, 100, 0.863, 0.966), (0, 0, 0.0, 1.0)],
)
def test_intervals_are_wilsons(hits: int, trials: int, low: float, high: float) -> None:
    """The interval of a share is Wilson's, also at its ends and of nothing."""
    assert Share(hits, trials).interval == pytest.approx((low, high), abs=5e-4)
    assert Share.of([True] * hits + [False] * (trials - hits)) == Share(hits, trials)


def test_words_are_compared_however_they_are_written() -> None:
    """Case, marks and the spaces of Mandarin do not matter; every word does."""
    assert same_words("What's the weather in Paris?", "what’s the weather in paris")
    assert same_words("豪猪咖啡你好水饺", "豪猪 咖啡 你好 水饺")
    assert not same_words("set a timer", "set timer")
    assert not same_words("ice cream", "icecream")
    assert not same_words("", "stop")


def test_a_command_is_right_only_as_a_whole() -> None:
    """A wrong intent, a slot that is wrong, missing or too much make a command wrong."""
    wanted = {"size": "small ", "roast": "Dark roast"}
    assert same_meaning(INTENT, {"roast": "dark roast", "size": "small"}, INTENT, wanted)
    assert not same_meaning("music.play", {"roast": "dark roast", "size": "small"}, INTENT, wanted)
    for slots in ({"size": "small"}, {"size": "large", "roast": "dark roast"}, {**wanted, "milkAmount": "milk"}):
        assert not same_meaning(INTENT, slots, INTENT, wanted)


def test_the_benchmarks_grammar_becomes_templates(tmp_path: Path) -> None:
    """Choices, the article and slots of another name than their list are written in hassil's way."""
    assert template("[brew, get me] [a, an] $size:size $coffeeDrink:drink") == (
        "(brew|get me) [a|an] {size} {coffeeDrink:drink}"
    )
    path = tmp_path / "grammar.yaml"
    path.write_text(GRAMMAR)
    document = yaml.safe_load(coffee_document(path))
    assert document["intents"]["orderDrink"]["data"][0]["sentences"] == [
        "(brew|can I get) [a|an] {size} {coffeeDrink} with {milkAmount:milk}"
    ]
    assert document["lists"]["size"]["values"] == ["small", "eight ounce"]


def _heard(*texts: str) -> Recognition:
    alternatives = tuple(Alternative(transcript=text, confidence=0.9 / (place + 1)) for place, text in enumerate(texts))
    return Recognition(
        alternatives=alternatives,
        rejection=Rejection.NONE if texts else Rejection.NOT_FOR_US,
        engine="test/1",
        registry_revision=1,
        audio_duration=1.0,
    )


def test_a_command_counts_when_our_nlu_makes_it_of_any_reading(tmp_path: Path) -> None:
    """Slots are what the NLU makes of the n-best; what was rejected, or heard with another value, is wrong."""
    path = tmp_path / "grammar.yaml"
    path.write_text(GRAMMAR)
    interpreter = taught([coffee(coffee_document(path))])
    slots = {"size": "small", "coffeeDrink": "iced mocha", "milk": "a bit of milk"}
    right = "can I get a small iced mocha with a bit of milk"
    assert understood(interpreter, _heard(right), slots)
    assert understood(interpreter, _heard("what nobody registered", right), slots)
    assert not understood(interpreter, _heard("can I get a small latte with a bit of milk"), slots)
    assert not understood(interpreter, _heard(), slots)


def test_noise_is_as_loud_as_told() -> None:
    """Speech and noise are mixed at the ratio of their loudest stretches, the same for the same seed."""
    random = np.random.default_rng(4)
    noise = random.normal(0, 0.3, 40_000).astype(np.float32)
    speech = np.concatenate([np.zeros(8_192), np.sin(np.arange(8_192) * 0.2)]).astype(np.float32)
    energies = []
    for snr in (0, 20):
        sum_ = mixed(speech, noise, snr, seed=3)
        assert np.array_equal(sum_, mixed(speech, noise, snr, seed=3))
        assert np.abs(sum_).max() == pytest.approx(0.5)
        # The first half is noise alone, the second is speech in it.
        energies.append((sum_[8_192:] ** 2).mean() / (sum_[:8_192] ** 2).mean())
    assert 1.4 < energies[0] < 3
    assert 60 < energies[1] < 150


class Spoken(Clip):
    """A clip of the talker that its number tells, each of a colour of their own."""

    def samples(self):
        number = int(self.name)
        colour = np.random.default_rng(number % 20).normal(0, 1, 24)
        said = np.random.default_rng(100 + number).normal(0, 0.1, 16_000) * np.linspace(0.01, 1, 16_000)
        return np.convolve(said, colour, "same")


def test_clips_that_sound_alike_are_found() -> None:
    """Of forty clips of twenty talkers most are found to be pairs, and nobody is taken for somebody else."""
    clips = [Spoken(name=f"{number:02}", path=Path(f"{number}.flac"), transcript="") for number in range(40)]
    groups = talkers(clips)
    joined = [(one, two) for one in range(40) for two in range(one) if groups[one] == groups[two]]
    assert len(joined) >= 10
    assert sum((one - two) % 20 == 0 for one, two in joined) >= 0.9 * len(joined)


def test_halves_share_no_talker() -> None:
    """A group of clips is in one half only, and the halves are about equal."""
    clips = [Clip(name=f"{number:02}", path=Path(), transcript="") for number in range(30)]
    groups = [number % 7 for number in range(30)]
    tune, report = halves(clips, groups)
    assert sorted(clip.name for clip in tune + report) == [clip.name for clip in clips]
    assert abs(len(tune) - len(report)) <= 4
    assert not {int(clip.name) % 7 for clip in tune} & {int(clip.name) % 7 for clip in report}


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_what_is_said_is_enough_and_disjoint(locale: str) -> None:
    """There are at least 40 commands a locale to report on; neither voices nor sentences were tuned on."""
    tune, report = commands(locale, "tune"), commands(locale, "report")
    assert len({one.text for one in report}) >= 40
    assert not {one.text for one in tune + other(locale, "tune")} & {
        one.text for one in report + other(locale, "report")
    }
    assert not {one.voice for one in tune} & {one.voice for one in report}
