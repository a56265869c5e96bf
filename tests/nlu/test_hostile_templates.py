"""Templates that would multiply without end are compiled in bounded time and still understood."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot_nlu.understanding.catalogue import CatalogueBuilder
from earshot_nlu.understanding.english import English
from earshot_nlu.understanding.templates.compile import compile_skill
from earshot_nlu.understanding.templates.samples import samples
from support.understanding import ENGLISH, LANGUAGES, best, meaning, skill_words, taught

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("order " + " ".join(f"[extra {letter}]" for letter in LETTERS), "order extra c extra x"),
        ("order (" + " ".join(f"[extra {letter}]" for letter in LETTERS) + ") now", "order extra c extra x now"),
        ("order <toppings> and <toppings>", "order with a and with b"),
        (
            "(" + ";".join(f"word{letter}" for letter in LETTERS[:6]) + ") please",
            "wordf worda wordb wordc wordd worde please",
        ),
        ("go " + " ".join("(left|right|on|back|up|down)" for _ in range(12)), "go " + "left " * 12),
    ],
)
def test_endless_choices_are_bounded(template: str, said: str) -> None:
    """A template with millions of sentences costs no more than its length, and each of them is understood."""
    rules = {"toppings": "with (" + "|".join(f"[more] {letter}" for letter in LETTERS) + ")"}
    document = {"intents": {"it": {"data": [{"sentences": [template]}]}}, "expansion_rules": rules}
    started = time.process_time()
    interpreter = taught([skill_words("s", "en-US", yaml.safe_dump(document))])
    assert time.process_time() - started < 5
    assert meaning(best(interpreter, said)) == ("s.it", {})


def test_samples_keep_the_shortest_and_some_of_the_others() -> None:
    """Of too many sentences the plainest is kept, and longer ones are not all dropped."""
    words = skill_words(
        "s",
        "en-US",
        yaml.safe_dump(
            {"intents": {"it": {"data": [{"sentences": ["go " + " ".join(f"[{letter * 3}]" for letter in LETTERS)]}]}}}
        ),
    )
    (unit,) = compile_skill(words, English()).units
    made = [" ".join(text.split()) for text in samples(unit.sentence.expression, {}, 64)]
    assert len(made) <= 64
    assert "go" in made
    assert max(len(text) for text in made) > 10


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=12), st.sampled_from(["{a}", "<a>", "(b", "[c]"])
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
)
_FILES = st.fixed_dictionaries(
    {},
    optional={
        "intents": st.one_of(
            _TREES,
            st.fixed_dictionaries(
                {"it": st.fixed_dictionaries({"data": st.lists(st.fixed_dictionaries({"sentences": st.lists(_SCALARS)}, optional={
                    "slots": _TREES, "lists": _TREES, "expansion_rules": _TREES, "requires_context": _TREES
                }), max_size=2)})}
            ),
        ),
        "lists": st.one_of(_TREES, st.fixed_dictionaries({"a": st.one_of(_TREES, st.fixed_dictionaries({"values": _TREES}))})),
        "expansion_rules": st.one_of(_TREES, st.fixed_dictionaries({"a": _SCALARS})),
        "skip_words": _TREES,
    },
)  # fmt: skip


@given(_FILES)
@settings(max_examples=200)
def test_no_file_stops_the_others_from_being_learnt(document: object) -> None:
    """Whatever shape a sentence file has, a catalogue is made, and the skill beside it is understood."""
    good = skill_words("good", "en-US", "intents: {hello: {data: [{sentences: ['hello there']}]}}")
    bad = skill_words("bad", "en-US", yaml.safe_dump(document))
    catalogue = CatalogueBuilder(LANGUAGES).build([bad, good], 1)
    found = catalogue.grammars["en-US"].templates.candidates(ENGLISH.normalise("hello there").text)
    assert "good.hello" in {unit.intent for unit in found}
