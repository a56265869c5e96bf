"""Every sentence that a skill teaches is understood: the filters before hassil lose none."""

from __future__ import annotations

import random
from itertools import islice
from typing import Any

import pytest
import yaml
from hassil import Intents, WildcardSlotList, sample_expression

from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import SkillWords
from support.understanding import ask, assistant_words, real_skill, real_skills, taught

REAL = real_skills()
# What a wildcard holds whose slot is of a kind that NLU reads.
VALUES = {
    "en": {"duration": "ten minutes", "time": "7:30", "date_time": "7:30 tomorrow"},
    "zh": {"duration": "十分钟", "time": "七点半", "date_time": "明天七点半"},
}


def sentences(words: SkillWords, count: int) -> list[tuple[str, str]]:
    """Return intents and sentences made of a skill's own file by hassil alone, at random; wildcards hold what VALUES says."""
    document: dict[str, Any] = yaml.safe_load(words.sentences_yaml)
    document["language"] = words.locale[:2]
    intents = Intents.from_dict(document)
    lists = {name: one for name, one in intents.slot_lists.items() if not isinstance(one, WildcardSlotList)}
    wildcards = intents.slot_lists.keys() - lists.keys()
    random_ = random.Random(7)
    made: list[tuple[str, str]] = []
    for name, intent in intents.intents.items():
        for data in intent.data:
            for template in data.sentences:
                samples = list(
                    islice(
                        sample_expression(template.expression, lists, intents.expansion_rules, expand_lists=False), 2000
                    )
                )
                made += [
                    (f"{words.skill_id}.{name}", filled(sample, intents, wildcards, random_))
                    for sample in random_.sample(samples, min(count, len(samples)))
                ]
    return made


def filled(sample: str, intents: Intents, wildcards: Any, random_: random.Random) -> str:
    """Return a sentence with a value in each of its lists."""
    for name in wildcards:
        sample = sample.replace(f"{{{name}}}", VALUES[intents.language].get(name, "Bellwether"))
    for name, slot_list in intents.slot_lists.items():
        while f"{{{name}}}" in sample:
            values = list(
                islice(sample_expression(_reference(name), {name: slot_list}, {}, language=intents.language), 3000)
            )
            sample = sample.replace(f"{{{name}}}", random_.choice(values).strip(), 1)
    return " ".join(sample.split())


def _reference(name: str) -> Any:
    from hassil.expression import ListReference  # noqa: PLC0415 - here alone

    return ListReference(list_name=name)


@pytest.fixture(scope="module")
def taught_everything(words: list[SkillWords]) -> Interpreter:
    """Return an interpreter with the repository's own skills and the small ones beside them."""
    real = [one for name in REAL for one in real_skill(name)]
    return taught(real + words)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("skill", [*REAL, "assistant"])
def test_every_sentence_is_understood(taught_everything: Interpreter, skill: str, locale: str) -> None:
    """Whatever hassil makes of a skill's templates is read as that intent, or as sure as that as another."""
    (words,) = [
        one for one in (assistant_words() if skill == "assistant" else real_skill(skill)) if one.locale == locale
    ]
    lost = []
    for intent, said in sentences(words, 4):
        found = ask(taught_everything, said, locale=locale).hypotheses
        if intent not in {one.intent for one in found}:
            lost.append((intent, said, [one.intent for one in found]))
    assert not lost
