"""From the skills' sentence templates to what a decoder loads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hassil.intents import SlotList

from earshot_asr.vocabulary import dictionary
from earshot_asr.vocabulary.arpa import LanguageModel
from earshot_asr.vocabulary.automaton import Automaton
from earshot_asr.vocabulary.dictionary import Phones
from earshot_asr.vocabulary.folding import folded
from earshot_asr.vocabulary.fsg import to_fsg
from earshot_asr.vocabulary.graph import Graph, union
from earshot_asr.vocabulary.languages import Language
from earshot_asr.vocabulary.minimal import minimal
from earshot_asr.vocabulary.ngrams import expected_trigrams
from earshot_asr.vocabulary.numbers import spell
from earshot_asr.vocabulary.pieces import PieceGraphs
from earshot_asr.vocabulary.places import is_place
from earshot_asr.vocabulary.templates import Template, TemplateError, parse_document
from earshot_asr.vocabulary.wildcards import Wildcards
from earshot_asr.vocabulary.words import to_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a decoder loads, as the texts of its files.

    Attributes:
        model: Language model in ARPA's format.
        sentences: What a whole sentence is.
        grammar: All sentences as a closed grammar in CMU's format with places, to search for a whole one.
        likeliest: By context, the log probability of the likeliest word.
        dictionary: Pronunciations of the model's words and of no others.
        spellings: How words are written where that is not as in the dictionary.
        words: Number of words.
        problems: What had to be left out and why, for the authors of the skills.
    """

    model: str
    sentences: Automaton
    grammar: str
    likeliest: Mapping[str, float]
    dictionary: str
    spellings: Mapping[str, str]
    words: int
    problems: tuple[str, ...]


class NothingToHearError(ValueError):
    """No document has a sentence that can be recognised; the message lists the problems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """All that may be said, as one graph, and what had to be left out."""

    graph: Graph
    problems: tuple[str, ...]

    def words(self) -> frozenset[str]:
        """Return every word that can be said, without the places for a household's own."""
        return frozenset(word for word in self.graph.words() if not is_place(word))


def read_sentences(documents: Iterable[str], language: Language) -> Sentences:
    """Read templates; one that can not be used is left out, and so is a document that can not be read.

    Args:
        documents: In hassil's format, one a skill.
        language: How they become words.
    """
    problems: list[str] = []
    parsed: list[tuple[int, tuple[Template, ...]]] = []
    for index, document in enumerate(documents):
        try:
            parsed.append((index, parse_document(document)))
        except TemplateError as error:
            problems.append(f"document {index}: {error}")
    lists = [_lists(templates) for _, templates in parsed]
    graphs: list[tuple[float, Graph]] = []

    def tokenise(text: str) -> Sequence[str]:
        return (text,) if is_place(text) else language.tokenise(text)

    for (index, templates), own in zip(parsed, lists, strict=True):
        pieces = PieceGraphs(
            spell=lambda number, of: spell(number, of or language.locale),
            wildcard=Wildcards(own, lists, language.locale),
        )
        for template in templates:
            try:
                graph = folded(to_words(pieces.convert(template), tokenise, spaced=language.spaced))
            except TemplateError as error:
                problems.append(f"document {index}: {error}")
            else:
                graphs.append((template.weight, graph))
    return Sentences(graph=folded(union(graphs)), problems=tuple(problems))


def _lists(templates: Sequence[Template]) -> dict[str, SlotList]:
    return {name: values for template in templates for name, values in template.scope.lists.items()}


def make_bundle(sentences: Sentences, language: Language) -> Bundle:
    """Make the files of a decoder.

    Raises:
        NothingToHearError: Not one sentence is left.
    """
    pronunciations: dict[str, tuple[Phones, ...]] = {
        word: language.pronounce(word) for word in sorted(sentences.words())
    }
    silent = {word for word, ways in pronunciations.items() if not ways}
    graph = sentences.graph.without(silent.__contains__) if silent else sentences.graph
    problems = (
        *sentences.problems,
        *(f"no way is known to say {word!r}" for word in sorted(silent)),
    )
    words = {word for word in graph.words() if not is_place(word)}
    if not words:
        raise NothingToHearError("; ".join(problems) or "there are no sentences")
    small = minimal(graph)
    model = LanguageModel(expected_trigrams(graph))
    return Bundle(
        model=model.text(),
        sentences=Automaton.of(small),
        grammar=to_fsg(small),
        likeliest=model.likeliest(),
        dictionary=dictionary.to_text({word: pronunciations[word] for word in words}),
        spellings={word: written for word, written in language.spellings().items() if word in words},
        words=len(words),
        problems=problems,
    )
