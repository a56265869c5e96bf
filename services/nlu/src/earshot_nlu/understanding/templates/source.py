"""Reads a skill's sentence file and rewrites its literal text as utterances are rewritten.

What hassil would only notice in the middle of a turn (a list or rule that does not exist, rules that hold each other)
is looked for in `compile`; what is wrong with the file as a whole is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from earshot_nlu.understanding.errors import MalformedSentencesError
from earshot_nlu.understanding.language import Language

_SYNTAX = re.compile(r"(\{[^}]*\}|<[^>]*>|[()\[\]|;]|\\.)")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(sentences_yaml: str, language: Language) -> dict[str, Any]:
    """Return a sentence file as hassil wants it, its literal text normalised.

    Args:
        sentences_yaml: intents, lists, expansion_rules, skip_words.
        language: Whose words these are.

    Raises:
        MalformedSentencesError: It is not YAML, or not of that shape.
    """
    try:
        # The loader is a safe one.
        document = yaml.load(sentences_yaml, Loader=_LOADER)  # noqa: S506
    except yaml.YAMLError as error:
        raise MalformedSentencesError(f"not YAML: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise MalformedSentencesError("not a mapping")
    rewrite = _rewriter(language)
    try:
        return {
            "language": language.template_language,
            "settings": {"ignore_whitespace": language.ignores_spaces},
            "intents": {str(name): _intent(body, rewrite) for name, body in _section(document, "intents").items()},
            "lists": _lists(_section(document, "lists"), rewrite),
            "expansion_rules": _rules(_section(document, "expansion_rules"), rewrite),
            "skip_words": [language.normalise(str(word)).text for word in document.get("skip_words") or ()],
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedSentencesError(f"not a sentence file: {type(error).__name__}: {error}") from error


def rewrite_template(template: str, language: Language) -> str:
    """Return a template with its literal text normalised; names, brackets and escapes stay as they are."""
    out: list[str] = []
    inside_word = False
    for piece in _SYNTAX.split(language.prepare_template(template)):
        if not piece:
            continue
        if _SYNTAX.fullmatch(piece):
            out.append(piece)
            inside_word = piece[0] == "{" or (inside_word and piece in "[(|")
            continue
        # "{city}'s", "year['s]": an apostrophe that the pieces would lose, because its word is in another one.
        possessive = inside_word and piece.startswith(("'", "’"))
        plain = "'" + language.normalise_literal(piece[1:]) if possessive else language.normalise_literal(piece)
        out.append(plain)
        inside_word = plain[-1:].isalnum()
    return "".join(out)


def _rewriter(language: Language) -> Callable[[str], str]:
    return lambda template: rewrite_template(template, language)


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = document.get(name) or {}
    if not isinstance(section, dict):
        raise MalformedSentencesError(f"{name} is not a mapping")
    return section


def _intent(body: Mapping[str, Any], rewrite: Callable[[str], str]) -> dict[str, Any]:
    blocks = [
        {
            **block,
            "sentences": [rewrite(str(sentence)) for sentence in block["sentences"]],
            "lists": _lists(block.get("lists") or {}, rewrite),
            "expansion_rules": _rules(block.get("expansion_rules") or {}, rewrite),
        }
        for block in body["data"]
    ]
    return {"data": blocks}


def _rules(rules: Mapping[str, str], rewrite: Callable[[str], str]) -> dict[str, str]:
    return {str(name): rewrite(str(body)) for name, body in rules.items()}


def _lists(lists: Mapping[str, Any], rewrite: Callable[[str], str]) -> dict[str, Any]:
    return {str(name): _list(body, rewrite) for name, body in lists.items()}


def _list(body: Mapping[str, Any], rewrite: Callable[[str], str]) -> dict[str, Any]:
    if "values" not in body:
        return dict(body)
    values = []
    for value in body["values"]:
        if isinstance(value, Mapping):
            values.append({**value, "in": rewrite(str(value["in"]))})
        elif _SYNTAX.search(str(value)):
            values.append({"in": rewrite(str(value))})
        else:
            values.append({"in": rewrite(str(value)).strip(), "out": value})
    return {**body, "values": values}
