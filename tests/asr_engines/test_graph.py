from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot_asr.vocabulary.arpa import LanguageModel
from earshot_asr.vocabulary.folding import folded
from earshot_asr.vocabulary.fsg import to_fsg
from earshot_asr.vocabulary.graph import Graph, union
from earshot_asr.vocabulary.minimal import minimal
from earshot_asr.vocabulary.ngrams import BEGIN, END, expected_trigrams

WORDS = st.sampled_from(["a", "b", "c"])
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(tuple), min_size=1, max_size=8)


def chain(*words: str) -> Graph:
    """A graph of one sentence."""
    graph = Graph()
    node = graph.start
    for word in words[:-1]:
        following = graph.add_node()
        graph.add_arc(node, following, 1.0, word)
        node = following
    graph.add_arc(node, graph.end, 1.0, words[-1])
    return graph


def distribution(graph: Graph) -> dict[tuple[str, ...], float]:
    """Every sentence of a small graph with its probability."""
    found: Counter[tuple[str, ...]] = Counter()

    def walk(node: int, words: tuple[str, ...], probability: float) -> None:
        if node == graph.end:
            found[words] += probability  # type: ignore[assignment]
        for arc in graph.arcs[node]:
            walk(arc.target, (*words, arc.word) if arc.word else words, probability * arc.probability)

    walk(graph.start, (), 1.0)
    return dict(found)


@given(SENTENCES)
def test_union_weighs_its_parts(sentences: list[tuple[str, ...]]) -> None:
    """Each part has its weight's share of the whole."""
    joined = distribution(union((1.0, chain(*sentence)) for sentence in sentences))
    for sentence, count in Counter(sentences).items():
        assert joined[sentence] == pytest.approx(count / len(sentences))


@given(SENTENCES)
def test_folded_graph_has_the_same_sentences_as_likely(sentences: list[tuple[str, ...]]) -> None:
    """Folding changes neither a sentence nor how likely it is."""
    graph = union((1.0, chain(*sentence)) for sentence in sentences)
    assert distribution(folded(graph)) == pytest.approx(distribution(graph))


def test_what_follows_alike_is_folded() -> None:
    """Two ways to begin that go on alike share the rest; the same words with other odds do not."""
    graph = union([(1.0, chain("play", "it", "now")), (1.0, chain("stop", "it", "now")), (2.0, chain("play", "it"))])
    assert len(folded(graph).order()) < len(graph.order())
    odds = Graph()
    for word, share in (("play", 0.9), ("stop", 0.2)):
        middle = odds.add_node()
        odds.add_arc(odds.start, middle, 0.5, word)
        odds.add_arc(middle, odds.end, share, "it")
        odds.add_arc(middle, odds.end, 1 - share, "that")
    assert len(folded(odds).order()) == len(odds.order())


@given(SENTENCES)
def test_minimal_graph_has_the_same_sentences(sentences: list[tuple[str, ...]]) -> None:
    """Joining nodes neither adds nor loses a sentence, and never says the same word twice from one node."""
    graph = minimal(union((1.0, chain(*sentence)) for sentence in sentences))
    assert set(distribution(graph)) == set(sentences)
    for arcs in graph.arcs:
        words = [arc.word for arc in arcs]
        assert len(words) == len(set(words))
        assert not arcs or sum(arc.probability for arc in arcs) == pytest.approx(1.0)


@given(SENTENCES)
def test_expected_trigrams_are_those_of_the_sentences(sentences: list[tuple[str, ...]]) -> None:
    """Counting on the graph gives what counting in the sentences gives."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for sentence in sentences:
        words = (BEGIN, BEGIN, *sentence, END)
        counted.update(zip(words, words[1:], words[2:], strict=False))
    expected = expected_trigrams(union((1.0, chain(*sentence)) for sentence in sentences))
    assert expected == pytest.approx({trigram: count / len(sentences) for trigram, count in counted.items()})


def test_graph_without_a_word_keeps_the_other_sentences() -> None:
    """What a removed sentence was likely to be goes to the others."""
    graph = union([(1.0, chain("say", "yes")), (1.0, chain("say", "xyzzy"))]).without("xyzzy".__eq__)
    assert distribution(graph) == pytest.approx({("say", "yes"): 1.0})
    assert not graph.without("say".__eq__).words()


def test_samples_follow_the_probabilities_and_the_seed() -> None:
    """The same seed draws the same sentences, in their proportions."""
    graph = union([(3.0, chain("often")), (1.0, chain("seldom"))])
    drawn = graph.sample(400, seed=1)
    assert drawn == graph.sample(400, seed=1)
    assert 250 < Counter(drawn)["often",] < 350


def read_arpa(text: str) -> dict[tuple[str, ...], tuple[float, float]]:
    """N-gram → probability and backoff weight."""
    model: dict[tuple[str, ...], tuple[float, float]] = {}
    order = 0
    for line in text.splitlines():
        if line.endswith("-grams:"):
            order = int(line[1])
        elif order and line and not line.startswith("\\"):
            fields = line.split()
            backoff = float(fields[order + 1]) if len(fields) > order + 1 else 0.0
            model[tuple(fields[1 : order + 1])] = (10 ** float(fields[0]), 10**backoff)
    return model


def probability(model: dict[tuple[str, ...], tuple[float, float]], context: tuple[str, ...], word: str) -> float:
    """What a decoder makes of a backed-off model."""
    if (*context, word) in model:
        return model[*context, word][0]
    backoff = model[context][1] if context in model else 1.0
    return backoff * probability(model, context[1:], word)


def test_language_model_is_a_distribution_in_every_context() -> None:
    """Probabilities add up to one after every context, seen or not."""
    sentences = [("play", "some", "jazz"), ("play", "jazz"), ("stop",), ("play", "some", "rock", "music")]
    model = read_arpa(LanguageModel(expected_trigrams(union((1.0, chain(*sentence)) for sentence in sentences))).text())
    words = [gram[0] for gram in model if len(gram) == 1 and gram != (BEGIN,)]
    for context in [(), (BEGIN,), ("play",), ("play", "some"), (BEGIN, "play"), ("jazz", "stop"), ("stop", "play")]:
        assert math.fsum(probability(model, context, word) for word in words) == pytest.approx(1.0, abs=2e-3)


def test_language_model_prefers_what_templates_say() -> None:
    """A word that follows in a template is far likelier than one that does not."""
    counts = expected_trigrams(union([(1.0, chain("play", "jazz")), (1.0, chain("stop", "it"))]))
    model = read_arpa(LanguageModel(counts).text())
    assert probability(model, (BEGIN, "play"), "jazz") > 100 * probability(model, (BEGIN, "play"), "it")


def test_grammar_lists_every_arc() -> None:
    """The grammar's states and transitions are those of the graph."""
    text = to_fsg(chain("stop", "it"))
    assert text.splitlines() == [
        "FSG_BEGIN sentences",
        "NUM_STATES 3",
        "START_STATE 0",
        "FINAL_STATE 2",
        "TRANSITION 0 1 1.000000 stop",
        "TRANSITION 1 2 1.000000 it",
        "FSG_END",
    ]


def test_nothing_makes_neither_model_nor_grammar() -> None:
    """An empty graph is refused."""
    with pytest.raises(ValueError, match="no sentences"):
        LanguageModel({})
    with pytest.raises(ValueError, match="no sentences"):
        to_fsg(Graph())
