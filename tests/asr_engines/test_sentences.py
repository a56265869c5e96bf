"""Whole sentences are told from fragments, and found in a lattice whose likeliest path is none."""

from __future__ import annotations

import itertools
import json
import math

import pytest

from earshot_asr.engines.pocketsphinx.lattice import Lattice, Weights, best_sentence
from earshot_asr.vocabulary.automaton import Automaton
from earshot_asr.vocabulary.graph import Graph, union
from earshot_asr.vocabulary.minimal import minimal

SENTENCES = (("can", "you", "hear"), ("turn", "it", "off"), ("turn", "it", "on"), ("stop",), ("stop", "it"))
EVEN = Weights(language=0.0, word=0.0, filler=0.0)
NODES = ("!SENT_START", "turn", "!NULL", "it", "in", "off", "!SENT_END")
FRAMES = (0, 10, 30, 40, 40, 60, 90)
# source, target, how well the word of the source fits: "turn in off" sounds likelier than "turn it off" by 25.
LINKS = ((0, 1, -1), (1, 2, -9), (2, 3, -1), (2, 4, -1), (1, 4, -20), (3, 5, -30), (4, 5, -5), (5, 6, -8))


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


def _lattice(links: tuple[tuple[int, int, int], ...] = LINKS) -> Lattice:
    lines = ["start=0", f"end={len(NODES) - 1}"]
    lines += [f"I={n}\tt={at / 100:.2f}\tW={word}\tv=1" for n, (word, at) in enumerate(zip(NODES, FRAMES, strict=True))]
    lines += [f"J={n}\tS={source}\tE={target}\ta={fit}\tp=0.5" for n, (source, target, fit) in enumerate(links)]
    return Lattice.read("\n".join(lines))


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


def test_the_likeliest_sentence_of_a_lattice_is_found() -> None:
    """What sounds best is no sentence; the one that is gets taken, with the times and scores of its words."""
    found = best_sentence(_lattice(), Automaton.of(minimal(_graph(*SENTENCES))), EVEN)
    assert [(one.word, one.start_frame, one.end_frame, one.fit) for one in found] == [
        ("turn", 10, 29, -9),
        ("it", 40, 59, -30),
        ("off", 60, 89, -8),
    ]
    assert all(one.posterior == 0.5 for one in found)


def test_of_two_sentences_sound_and_likelihood_decide() -> None:
    """Without a language model the better sound wins; with one that counts much, the sentence that is said more."""
    rare = Automaton.of(minimal(_graph(*([("turn", "it", "off")] * 9), ("turn", "in", "off"))))
    assert [one.word for one in best_sentence(_lattice(), rare, EVEN)] == ["turn", "in", "off"]
    strict = Weights(language=20.0, word=0.0, filler=0.0)
    assert [one.word for one in best_sentence(_lattice(), rare, strict)] == ["turn", "it", "off"]


def test_a_silence_costs_what_the_decoder_makes_it_cost() -> None:
    """Of two ways to the same words, the one through a silence is not taken when silences are dear."""
    sentences = Automaton.of(minimal(_graph(("turn", "in", "off"))))
    dear = Weights(language=0.0, word=0.0, filler=-50.0)
    assert [best_sentence(_lattice(), sentences, one)[0].end_frame for one in (EVEN, dear)] == [29, 39]


def test_a_lattice_without_a_sentence_gives_none() -> None:
    """Neither words that are no sentence nor a sentence that does not reach the end of the sound is found."""
    automaton = Automaton.of(minimal(_graph(("stop",), ("turn", "it"))))
    assert best_sentence(_lattice(), automaton, EVEN) == ()
    assert best_sentence(_lattice(()), automaton, EVEN) == ()
