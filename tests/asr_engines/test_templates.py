from __future__ import annotations

import pytest

from earshot_asr.vocabulary.build import read_sentences
from earshot_asr.vocabulary.graph import Graph
from earshot_asr.vocabulary.languages import Language
from earshot_asr.vocabulary.numbers import spell
from earshot_asr.vocabulary.templates import TemplateError, parse_document
from earshot_asr.vocabulary.tokens import English, Mandarin


def english() -> Language:
    """A language without a dictionary: every word is said as its letters."""
    return Language(
        locale="en-US",
        spaced=True,
        tokenise=English(lambda number: spell(number, "en-US")[0]),
        pronounce=lambda word: (tuple(word),),
    )


def mandarin() -> Language:
    """Mandarin, cut into single characters."""
    return Language(
        locale="zh-CN",
        spaced=False,
        tokenise=Mandarin(lambda number: spell(number, "zh-CN")[0], tuple),
        pronounce=lambda word: (tuple(word),),
    )


def document(*sentences: str, extra: str = "") -> str:
    """A skill with one intent."""
    lines = "".join(f"          - {sentence!r}\n" for sentence in sentences)
    return f"language: en\nintents:\n  test:\n    data:\n      - sentences:\n{lines}{extra}"


def all_sentences(graph: Graph) -> set[str]:
    """Every sentence of a small graph."""
    found: set[str] = set()

    def walk(node: int, words: tuple[str, ...]) -> None:
        if node == graph.end:
            found.add(" ".join(words))
        for arc in graph.arcs[node]:
            walk(arc.target, (*words, arc.word) if arc.word else words)

    walk(graph.start, ())
    return found


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("turn on the light[s]", {"turn on the light", "turn on the lights"}),
        ("[please] stop", {"please stop", "stop"}),
        ("(pause|stop) [the] music", {"pause music", "pause the music", "stop music", "stop the music"}),
        ("(now;here)", {"now here", "here now"}),
        ("wait {1..3:n} minutes", {"wait one minutes", "wait two minutes", "wait three minutes"}),
        ("set it to 25%", {"set it to twenty five percent"}),
        ("what's up, Doc?", {"what's up doc"}),
    ],
)
def test_template_becomes_exactly_its_sentences(template: str, expected: set[str]) -> None:
    """Optional parts, alternatives, permutations, ranges and digits all become the words that are said."""
    sentences = read_sentences([document(template)], english())
    assert sentences.problems == ()
    assert all_sentences(sentences.graph) == expected


def test_lists_and_rules_are_followed() -> None:
    """A list's values, a place for a household's own, and an expansion rule's body stand where their names stand."""
    extra = "lists:\n  city:\n    values: [Paris, {in: 'New York [City]', out: ny}]\nexpansion_rules:\n  go: (go|fly)\n"
    sentences = read_sentences([document("<go> to {city}", extra=extra)], english())
    assert all_sentences(sentences.graph) == {
        f"{verb} to {city}" for verb in ("go", "fly") for city in ("paris", "new york", "new york city", "[city]")
    }


def test_wildcard_takes_the_values_of_its_namesake() -> None:
    """An open slot is heard as the values of a list of the same name in another skill."""
    knows = document("time in {city}", extra="lists:\n  city:\n    values: [Oslo, Rome]\n")
    open_slot = document("weather in {city}", extra="lists:\n  city:\n    wildcard: true\n")
    sentences = read_sentences([knows, open_slot], english())
    assert {"weather in oslo", "weather in rome"} <= all_sentences(sentences.graph)


def test_wildcard_of_a_slot_with_a_list_takes_that_list() -> None:
    """`{place:city}` beside `{city}` is heard as a city, not as any other value of the skill."""
    extra = "lists:\n  place:\n    wildcard: true\n  city:\n    values: [Oslo]\n  day:\n    values: [monday]\n"
    sentences = read_sentences([document("weather in {place:city}", extra=extra)], english())
    assert all_sentences(sentences.graph) == {"weather in oslo", "weather in [city]"}


def test_wildcard_for_dates_takes_what_people_say() -> None:
    """A wildcard list named as a date is heard as dates are said."""
    sentences = read_sentences([document("rain {date}", extra="lists:\n  date:\n    wildcard: true\n")], english())
    heard = all_sentences(sentences.graph)
    assert {"rain tomorrow", "rain on saturday", "rain the day after tomorrow"} <= heard


def test_wildcard_that_nobody_knows_is_a_place_for_a_household_s_own() -> None:
    """Its sentences can be said by a household that has a word for it alone; other sentences of the template stay."""
    extra = "lists:\n  thing:\n    wildcard: true\n"
    sentences = read_sentences([document("find [my] [{thing}]", extra=extra)], english())
    assert all_sentences(sentences.graph) == {"find", "find my", "find [thing]", "find my [thing]"}


def test_mandarin_needs_no_spaces() -> None:
    """Pieces of a Mandarin template are joined without spaces and cut into words."""
    sentences = read_sentences([document("[现在]几点了", "等{2..2:n}分钟")], mandarin())
    assert all_sentences(sentences.graph) == {"几 点 了", "现 在 几 点 了", "等 二 分 钟", "等 两 分 钟"}


def test_bad_documents_do_not_spoil_the_others() -> None:
    """What can not be read is named, and the rest is used."""
    sentences = read_sentences(["intents: [", document("broken {list}"), document("fine")], english())
    assert all_sentences(sentences.graph) == {"fine"}
    assert [problem.split(":")[0] for problem in sentences.problems] == ["document 0", "document 1"]


@pytest.mark.parametrize("text", ["- just\n- a list", "intents: 3", "{", "intents:\n  a:\n    data: [{}]"])
def test_no_document_is_a_template_error(text: str) -> None:
    """YAML that is not in hassil's format is refused with one error."""
    with pytest.raises(TemplateError):
        parse_document(text)


def test_rules_that_refer_to_themselves_are_refused() -> None:
    """An endless expansion ends in a problem, not in a hang."""
    sentences = read_sentences([document("<a>", extra="expansion_rules:\n  a: 'x <a>'\n")], english())
    assert "themselves" in sentences.problems[0]


def test_huge_templates_stay_small() -> None:
    """A template of a billion sentences becomes a graph of some thousand arcs."""
    values = ", ".join(f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300))
    extra = f"lists:\n  thing:\n    values: [{values}]\n"
    sentences = read_sentences([document("{thing} and {thing} [or {thing}] [then {thing}]", extra=extra)], english())
    assert sum(map(len, sentences.graph.arcs)) < 5_000
    assert len(sentences.graph.words() - {"[thing]"}) == 303


def test_words_are_written_as_authors_write_them() -> None:
    """Names keep their capitals in results."""
    language = english()
    read_sentences([document("time in Tokyo", "Tokyo time", "o'clock")], language)
    words = language.tokenise
    assert isinstance(words, English)
    assert words.spellings() == {"tokyo": "Tokyo"}
