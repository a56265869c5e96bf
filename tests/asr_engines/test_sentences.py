"""Whole sentences are told from fragments, and searched for where the likeliest words are none."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from earshot_asr.engines.pocketsphinx.acoustic import english
from earshot_asr.engines.pocketsphinx.bundles import BundleStore
from earshot_asr.engines.pocketsphinx.decoders import Decoders
from earshot_asr.engines.pocketsphinx.noise import Loudness, with_floor
from earshot_asr.engines.pocketsphinx.sentences import fill
from earshot_asr.vocabulary.automaton import Automaton
from earshot_asr.vocabulary.graph import Graph, union
from earshot_asr.vocabulary.minimal import minimal
from support.engines import documents, spoken

SENTENCES = (("can", "you", "hear"), ("turn", "it", "off"), ("turn", "it", "on"), ("stop",), ("stop", "it"))
NONSENSE = "play what time is jazz music in Tokyo by the Lanterns will it"


def _graph(*sentences: tuple[str, ...]) -> Graph:
    graphs: list[tuple[float, Graph]] = []
    for words in sentences:
        graph = Graph()
        node = graph.start
        for word in words:
            following = graph.add_node()
            graph.add_arc(node, following, 1.0, word)
            node = following
        graph.add_arc(node, graph.end)
        graphs.append((1.0, graph))
    return union(graphs)


@pytest.mark.parametrize("small", [True, False], ids=["minimal", "with silent arcs"])
def test_only_whole_sentences_are_accepted(small: bool) -> None:  # noqa: FBT001 - a parameter
    """Of all rows of up to three of the words just the sentences are sentences, also after a journey through JSON."""
    graph = _graph(*SENTENCES)
    made = Automaton.of(minimal(graph) if small else graph)
    automaton = Automaton.from_json(json.loads(json.dumps(made.to_json())))
    words = sorted({word for sentence in SENTENCES for word in sentence})
    rows = [row for length in range(4) for row in itertools.product(words, repeat=length)]
    assert sorted(row for row in rows if automaton.accepts(row)) == sorted(SENTENCES)


def test_a_sentence_is_as_likely_as_in_the_graph() -> None:
    """The steps of a sentence and its end carry the probability that the graph gives it."""
    automaton = Automaton.of(minimal(_graph(*SENTENCES)))
    for sentence in SENTENCES:
        node, total = 0, 0.0
        for word in sentence:
            ((node, logarithm),) = automaton.steps[node][word]
            total += logarithm
        assert total + automaton.endings[node] == pytest.approx(math.log(1 / len(SENTENCES)), abs=0.01)


def test_places_are_filled_or_closed() -> None:
    """A place's probability is shared by the words in it; one without words can not be passed."""
    grammar = (
        "NUM_STATES 2\nTRANSITION 0 1 0.500000 [name]\nTRANSITION 0 1 0.400000 [room]\nTRANSITION 0 1 0.100000 all\n"
    )
    assert fill(grammar, {"[name]": ["x@name", "y@name"]}).splitlines() == [
        "NUM_STATES 2",
        "TRANSITION 0 1 0.250000 x@name",
        "TRANSITION 0 1 0.250000 y@name",
        "TRANSITION 0 1 0.100000 all",
    ]


def _in_a_room(text: str) -> bytes:
    pcm = spoken(text, "en-US")
    loudness = Loudness()
    loudness.measure(bytearray(pcm))
    return with_floor(pcm, 0, loudness.floor_dbfs)


async def test_where_words_are_no_sentence_the_best_sentence_is_taken_and_doubted(cache: Path) -> None:
    """Known words in an order that no template has become a whole sentence, which fits the sound worse and is refused."""
    bundle = await BundleStore(cache).get(english(), documents("en-US"))
    decoders = Decoders(bundle.order)
    sentences = decoders.knowledge.sentences
    assert sentences is not None
    heard = decoders.decode_whole(_in_a_room("play some jazz"))[0]
    assert (heard.evidence["whole"], heard.evidence["margin"]) == (1, 0)
    best = decoders.decode_whole(_in_a_room(NONSENSE))[0]
    assert sentences.accepts(best.words)
    assert best.evidence["whole"] < 1
    assert best.evidence["margin"] < 0
    assert best.confidence < english().calibration.limit < heard.confidence


async def test_the_strict_search_is_there_when_nobody_waits(cache: Path) -> None:
    """What only some utterances need is made once a vocabulary is loaded and nothing else is to be done."""
    bundle = await BundleStore(cache).get(english(), documents("en-US"))
    decoders = Decoders(bundle.order)
    assert decoders.complete()
    assert not decoders.complete()


async def test_a_vocabulary_whose_files_are_gone_goes_on_hearing(cache: Path) -> None:
    """Without its grammar a vocabulary takes no other sentence for what is none, and hears the others."""
    bundle = await BundleStore(cache).get(english(), documents("en-US"))
    decoders = Decoders(replace(bundle.order, sentences_grammar=str(cache / "gone")))
    assert decoders.decode_whole(_in_a_room(NONSENSE))[0].evidence["whole"] == 0
    assert decoders.decode_whole(_in_a_room("play some jazz"))[0].words == ("play", "some", "jazz")
