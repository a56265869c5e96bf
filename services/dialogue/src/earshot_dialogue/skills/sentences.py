"""What the dialogue reads from a skill's sentence templates: closed lists of values, and sentences to give as examples.

The templates are hassil's. Recognising them is NLU's work; here only entries that are plain words are of use, so
anything that would have to be expanded is left out, and an example is a template with its optional parts removed and
the first of its alternatives taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARKUP = re.compile(r"[\[\](){}<>|]")
_OPTIONAL = re.compile(r"\[[^\[\]]*\]")
_ALTERNATIVES = re.compile(r"\(([^()|]*)(?:\|[^()]*)?\)")
_LIST = re.compile(r"\{([^{}:]+)(?::[^{}]*)?\}")


def parse(sentences_yaml: str) -> Mapping[str, Any]:
    """Return the templates as a tree; an empty one when they can't be read (NLU reports that)."""
    try:
        tree = yaml.load(sentences_yaml, Loader=_Loader)  # noqa: S506 - a safe loader, the C one where there is one
    except yaml.YAMLError:
        return {}
    return tree if isinstance(tree, Mapping) else {}


def values(tree: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the closed lists: list name to its plain entries, words in lower case to what they mean."""
    lists = _mapping(tree.get("lists"))
    return {name: {words.casefold(): meaning for words, meaning in _entries(entry)} for name, entry in lists.items()}


def examples(tree: Mapping[str, Any], limit: int = 3) -> tuple[str, ...]:
    """Return sentences that can be said as they stand."""
    lists = {name: next(iter(_entries(entry)), ("", ""))[0] for name, entry in _mapping(tree.get("lists")).items()}
    found: list[str] = []
    for intent in _mapping(tree.get("intents")).values():
        sentence = next(filter(None, (_plain(template, lists) for template in _sentences(intent))), "")
        if sentence:
            found.append(sentence)
        if len(found) == limit:
            break
    return tuple(found)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _entries(entry: Any) -> Iterator[tuple[str, str]]:
    listed = _mapping(entry).get("values")
    for item in listed if isinstance(listed, list) else ():
        words = item.get("in") if isinstance(item, Mapping) else item
        meaning = item.get("out", words) if isinstance(item, Mapping) else item
        if isinstance(words, str) and isinstance(meaning, str) and _MARKUP.search(words) is None:
            yield words, meaning


def _sentences(intent: Any) -> Iterator[str]:
    data = _mapping(intent).get("data")
    for block in data if isinstance(data, list) else ():
        said = _mapping(block).get("sentences")
        for sentence in said if isinstance(said, list) else ():
            if isinstance(sentence, str):
                yield sentence


def _plain(template: str, lists: Mapping[str, str]) -> str:
    text, before = template, ""
    while text != before:
        before = text
        text = _ALTERNATIVES.sub(r"\1", _OPTIONAL.sub("", text))
    text = _LIST.sub(lambda match: lists.get(match[1], "") or "<", text)
    return "" if _MARKUP.search(text) else " ".join(text.split())
