"""Speech that is for us is told from speech that is not, with the sentences of the repository's own skills."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
import pytest_asyncio

from bench.recognition.skills import documents, registered
from earshot_asr.engines.base import Recognition, Rejection, Vocabulary
from earshot_asr.engines.pocketsphinx.acoustic import AcousticModel, english, mandarin
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.engines.pocketsphinx.evidence import Evidence, confidence
from earshot_asr.vocabulary.arpa import LanguageModel
from earshot_asr.vocabulary.graph import Graph
from earshot_asr.vocabulary.ngrams import expected_trigrams
from support.engines import ENGLISH, recognise, spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMANDS = (
    "stop",
    "cancel the timer",
    "be quiet",
    "ten minutes",
    "never mind",
    "what's the weather",
    "set a timer for five minutes",
    "skip",
    "snooze",
    "wake me up",
    "quieter",
)
OTHER = (
    "the committee postponed its quarterly budget hearing",
    "seventeen elephants wandered through abandoned vineyards",
    "my grandmother used to bake gingerbread every december",
    "photosynthesis converts sunlight into chemical energy",
    "put the shopping in the car before it melts",
    "there is nothing good on television tonight",
)
FRAGMENTS = ("can you", "turn it", "what is the", "set a timer for")
MODELS = (english(), mandarin(None))
VALUES = {
    "acoustic": (-7.0, -4.0, 0.0),
    "worst": (-9.0, -5.0, 0.0),
    "posterior": (-5.0, -1.0, 0.0),
    "least": (-9.0, -2.0, 0.0),
    "agreement": (0.0, 0.5, 1.0),
    "language": (-9.0, -3.0, 0.0),
    "oddest": (-11.0, -4.0, 0.0),
    "whole": (0.0, 0.5, 1.0),
}
MIDDLING = Evidence(**{name: values[1] for name, values in VALUES.items()})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ears(make_engine: Callable[..., PocketsphinxEngine]) -> AsyncIterator[PocketsphinxEngine]:
    """An engine with the English sentences of the skills, which lets everything through that its model's limit does."""
    engine = make_engine()
    await engine.start()
    vocabulary = Vocabulary(revision=1, locales={ENGLISH: documents(registered())[ENGLISH]})
    await engine.set_vocabulary(vocabulary)
    yield engine
    await engine.stop()


async def _heard(engine: PocketsphinxEngine, texts: tuple[str, ...]) -> list[Recognition]:
    return await asyncio.gather(*(recognise(engine, spoken(text, ENGLISH), ENGLISH) for text in texts))


async def test_speech_that_is_not_for_us_is_refused(ears: PocketsphinxEngine) -> None:
    """Of sentences that no skill understands hardly any passes, and the reason is that they are not for us."""
    heard = await _heard(ears, OTHER)
    assert sum(one.rejection is Rejection.NOT_FOR_US for one in heard) >= len(OTHER) - 1
    assert all(bool(one.alternatives) is (one.rejection is Rejection.NONE) for one in heard)


async def test_short_commands_are_not_refused(ears: PocketsphinxEngine) -> None:
    """A word or two that a skill does understand are taken, word for word."""
    heard = await _heard(ears, COMMANDS)
    # How a word is written, a list may have decided in which it is part of a name.
    said = [one.alternatives[0].transcript.lower() if one.alternatives else one.rejection for one in heard]
    assert said == list(COMMANDS)


async def test_a_part_of_a_sentence_is_no_command(ears: PocketsphinxEngine) -> None:
    """Words of the skills' sentences that are none by themselves are refused, however well they are heard."""
    heard = await _heard(ears, FRAGMENTS)
    assert [one.rejection for one in heard].count(Rejection.NOT_FOR_US) >= len(FRAGMENTS) - 1


async def test_the_limit_decides(make_engine: Callable[..., PocketsphinxEngine], ears: PocketsphinxEngine) -> None:
    """A limit of 0 takes any speech for a command, one of 1 nothing; unset, it is the model's own."""
    assert ears.limit(ENGLISH) == english().calibration.limit
    assert make_engine(minimum_confidence=0.0).limit(ENGLISH) == 0.0
    assert make_engine(minimum_confidence=1.0).limit(ENGLISH) == 1.0
    engine = make_engine(minimum_confidence=0.0)
    await engine.start()
    try:
        await engine.set_vocabulary(Vocabulary(revision=1, locales={ENGLISH: documents(registered())[ENGLISH]}))
        (heard,) = await _heard(engine, OTHER[:1])
    finally:
        await engine.stop()
    assert heard.rejection is Rejection.NONE
    assert heard.alternatives[0].confidence < english().calibration.limit


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.locale)
@pytest.mark.parametrize("name", VALUES)
async def test_more_evidence_is_never_less_sure(model: AcousticModel, name: str) -> None:
    """For each kind of evidence, whatever the others are, confidence grows with it and stays between 0 and 1."""
    weights = model.calibration.weights()
    for others in itertools.product((0, 2), repeat=2):
        base = replace(MIDDLING, acoustic=VALUES["acoustic"][others[0]], language=VALUES["language"][others[1]])
        sure = [confidence(replace(base, **{name: value}), weights) for value in VALUES[name]]
        assert sure == sorted(sure)
        assert all(0 <= value <= 1 for value in sure)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.locale)
async def test_confidence_is_bounded_for_any_evidence(model: AcousticModel) -> None:
    """Not even impossible values leave the range or raise, and one alone does not count without end."""
    weights = model.calibration.weights()
    worst = dict.fromkeys(asdict(MIDDLING), -1000000.0) | {"agreement": 0.0, "whole": 0.0}
    assert 0 <= confidence(Evidence(**worst), weights) < model.calibration.limit
    assert (
        0 <= confidence(replace(MIDDLING, least=-1e6), weights) == confidence(replace(MIDDLING, least=-12.0), weights)
    )
    assert confidence(Evidence(**{name: values[2] for name, values in VALUES.items()}), weights) > 0.9


async def test_a_value_of_a_long_list_is_as_likely_as_any_in_its_place() -> None:
    """What the likeliest word is worth is known for every context that there is, and no word is worth more."""
    towns = [f"town{number}" for number in range(50)]
    graph = Graph()
    middle = graph.add_node()
    graph.add_arc(graph.start, middle, 1.0, "in")
    for town in towns:
        graph.add_arc(middle, graph.end, 1 / 50, town)
    trigrams = expected_trigrams(graph)
    best = LanguageModel(trigrams).likeliest()
    assert best["<s>"] == pytest.approx(0.0, abs=0.01)
    assert best["in"] == pytest.approx(math.log(1 / 50), abs=0.05)
    model = LanguageModel(trigrams).text()
    scores = [
        float(line.split()[0]) * math.log(10) for line in model.splitlines() if re.search(r" in town\d+( -|$)", line)
    ]
    assert len(scores) >= 50
    assert all(score <= best["in"] + 0.01 for score in scores)


async def test_loudness_does_not_decide(ears: PocketsphinxEngine) -> None:
    """The same command is understood at 45 dB less, of which some ten bits are left, and clipped."""
    samples = np.frombuffer(spoken("play some jazz", ENGLISH), dtype=np.int16)
    for gain in (0.005, 0.05, 0.3, 4.0):
        pcm = (samples * gain).clip(-32768, 32767).astype(np.int16).tobytes()
        recognition = await recognise(ears, pcm, ENGLISH)
        assert [one.transcript for one in recognition.alternatives[:1]] == ["play some jazz"]
