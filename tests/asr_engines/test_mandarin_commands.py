"""The Mandarin commands that are measured are such that the skills in the checkout register."""

from __future__ import annotations

from bench.mandarin import commands, documents, plain
from earshot_asr.engines.pocketsphinx.acoustic import mandarin
from earshot_asr.vocabulary.build import read_sentences
from earshot_asr.vocabulary.graph import Graph
from earshot_asr.vocabulary.languages import open_language


def allows(graph: Graph, text: str) -> bool:
    """Whether a graph has a path that spells a text."""
    reached, places = set(), [(graph.start, 0)]
    while places:
        place = places.pop()
        if place in reached:
            continue
        reached.add(place)
        node, position = place
        fitting = (arc for arc in graph.arcs[node] if text.startswith(arc.word, position))
        places.extend((arc.target, position + len(arc.word)) for arc in fitting)
    return (graph.end, len(text)) in reached


def test_every_command_is_one_that_the_skills_allow() -> None:
    """At least forty different commands, each within the sentences of the checkout's skills and of the assistant."""
    assert len(set(commands())) == len(commands()) >= 40
    model = mandarin(None)
    with open_language(model.kind, model.locale, model.dictionary, {}) as language:
        sentences = read_sentences(documents(), language)
    assert sentences.problems == ()
    assert [text for text in commands() if not allows(sentences.graph, plain(text))] == []
    assert not allows(sentences.graph, "今天股票怎么样")
