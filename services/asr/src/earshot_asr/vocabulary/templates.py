"""Sentence templates as the skills register them, parsed by hassil and weighted.

Every intent has the same share of all speech, every template of an intent the same share of its intent, whichever
skill it comes from: how many ways of asking an author wrote down says nothing about how often people ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from hassil.errors import HassilError
from hassil.expression import Expression, Sentence
from hassil.intents import Intents, SlotList
from hassil.parser import ParseError

# libyaml's where it is there: ten times as fast.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNREADABLE: Final = (
    yaml.YAMLError,
    ParseError,
    HassilError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
)


class TemplateError(ValueError):
    """A document of sentence templates, or one template in it, that cannot be used; says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the names in a template mean.

    Attributes:
        rules: Expansion rules, `<name>`.
        lists: Slot lists, `{name}`.
        skip_words: Words that may stand before and after every sentence.
    """

    rules: Mapping[str, Sentence]
    lists: Mapping[str, SlotList]
    skip_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One template.

    Attributes:
        expression: hassil's syntax tree.
        scope: What its names mean.
        weight: Its share of all speech before normalisation, above 0.
    """

    expression: Expression
    scope: Scope
    weight: float


def parse_document(text: str) -> tuple[Template, ...]:
    """Parse one skill's document: `intents`, `lists`, `expansion_rules`, `skip_words`.

    Raises:
        TemplateError: It is no YAML, or not in hassil's format.
    """
    try:
        loaded: dict[str, Any] = dict(yaml.load(text, Loader=_LOADER) or {})  # noqa: S506 - both loaders are safe
        return tuple(_templates(Intents.from_dict({"language": "", "intents": {}, **loaded})))
    except _UNREADABLE as error:
        raise TemplateError(f"not in hassil's format: {type(error).__name__}: {error}") from error


def _templates(intents: Intents) -> Iterable[Template]:
    for intent in intents.intents.values():
        count = sum(len(data.sentence_texts) for data in intent.data)
        for data in intent.data:
            scope = Scope(
                rules={**intents.expansion_rules, **data.expansion_rules},
                lists={**intents.slot_lists, **data.slot_lists},
                skip_words=tuple(intents.skip_words),
            )
            for sentence in data.sentences:
                yield Template(expression=sentence.expression, scope=scope, weight=1.0 / count)
