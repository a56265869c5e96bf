"""Checks a locale's sentence templates against the manifest, so that a mistake is found when the skill starts.

The file is in hassil's format. What NLU and ASR will do with it later is done here once: every template is parsed,
every rule and list that it names must exist, every slot that it fills must be the intent's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hassil import Intents, Sentence, SlotList, parse_sentence
from hassil.expression import Expression, Group, ListReference, RuleReference
from hassil.parse_expression import ParseExpressionError
from hassil.parser import ParseError

from earshot_skillkit.errors import BrokenManifestError
from earshot_skillkit.manifest import Manifest

_TOP_LEVEL = {"language", "intents", "lists", "expansion_rules", "skip_words", "settings"}


def check_sentences(content: Any, *, file: str, locale: str, manifest: Manifest) -> Intents:
    """Return a locale's templates, parsed.

    Args:
        content: What the YAML file holds.
        file: Its path below the package folder, for errors.
        locale: The locale that it is for.
        manifest: The skill's.

    Raises:
        BrokenManifestError: Something in the file is wrong; the first mistake is named.
    """
    if not isinstance(content, dict):
        raise BrokenManifestError(file, "", "is not a mapping")
    for key in content:
        if key not in _TOP_LEVEL:
            raise BrokenManifestError(file, str(key), f"unknown; there are {', '.join(sorted(_TOP_LEVEL))}")
    if content.get("language", locale) != locale:
        raise BrokenManifestError(file, "language", f"is not {locale}")
    _check_intent_names(content, file, manifest)
    _check_templates(content, file)
    try:
        intents = Intents.from_dict({"language": locale, **content})
    except Exception as error:
        # hassil checks shapes by indexing: KeyError, TypeError, AssertionError, ValueError.
        raise BrokenManifestError(file, "", f"hassil refuses it: {type(error).__name__}: {error}") from error
    _check_references(intents, file, manifest)
    return intents


def _check_intent_names(content: Mapping[str, Any], file: str, manifest: Manifest) -> None:
    intents = content.get("intents")
    if not isinstance(intents, dict):
        raise BrokenManifestError(file, "intents", "is missing or not a mapping")
    for name in intents:
        if name not in manifest.intents:
            raise BrokenManifestError(file, f"intents.{name}", "is not an intent of the manifest")
    for name in manifest.intents:
        if name not in intents:
            raise BrokenManifestError(file, f"intents.{name}", "is missing: the intent has no sentences")


def _check_templates(content: Mapping[str, Any], file: str) -> None:
    for key, text in _templates(content, file):
        if not isinstance(text, str) or not text.strip():
            raise BrokenManifestError(file, key, "is not a sentence")
        try:
            parse_sentence(text)
        except (ParseError, ParseExpressionError, ValueError) as error:
            raise BrokenManifestError(file, key, f"can't be parsed: {error}") from error


def _templates(content: Mapping[str, Any], file: str) -> Iterator[tuple[str, Any]]:
    for name, intent in content["intents"].items():
        blocks = intent.get("data") if isinstance(intent, dict) else None
        if not isinstance(blocks, list) or not blocks:
            raise BrokenManifestError(file, f"intents.{name}.data", "is missing or not a list")
        for position, block in enumerate(blocks):
            key = f"intents.{name}.data[{position}].sentences"
            sentences = block.get("sentences") if isinstance(block, dict) else None
            if not isinstance(sentences, list) or not sentences:
                raise BrokenManifestError(file, key, "is missing or not a list")
            for index, text in enumerate(sentences):
                yield f"{key}[{index}]", text
    rules = content.get("expansion_rules") or {}
    if not isinstance(rules, dict):
        raise BrokenManifestError(file, "expansion_rules", "is not a mapping")
    for name, text in rules.items():
        yield f"expansion_rules.{name}", text


def _check_references(intents: Intents, file: str, manifest: Manifest) -> None:
    for name, intent in intents.intents.items():
        slots = manifest.intents[name].slots
        for position, block in enumerate(intent.data):
            key = f"intents.{name}.data[{position}]"
            for slot in block.slots:
                if slot not in slots:
                    raise BrokenManifestError(file, f"{key}.slots.{slot}", "is not a slot of the intent")
            lists = {**intents.slot_lists, **block.slot_lists}
            rules = {**intents.expansion_rules, **block.expansion_rules}
            for index, text in enumerate(block.sentence_texts):
                where = f"{key}.sentences[{index}]"
                for reference in _list_references(parse_sentence(text).expression, rules, file, where):
                    _check_list_reference(reference, lists, set(slots), file, where)


def _check_list_reference(
    reference: ListReference, lists: Mapping[str, SlotList], slots: set[str], file: str, where: str
) -> None:
    if not reference.is_inline_range and reference.list_name not in lists:
        raise BrokenManifestError(file, where, f"there is no list {reference.list_name!r}")
    if reference.slot_name not in slots:
        raise BrokenManifestError(file, where, f"{reference.slot_name!r} is not a slot of the intent")


def _list_references(
    expression: Expression, rules: Mapping[str, Sentence], file: str, where: str, depth: int = 0
) -> Iterator[ListReference]:
    if depth > 50:
        raise BrokenManifestError(file, where, "its expansion rules refer to each other")
    if isinstance(expression, ListReference):
        yield expression
    elif isinstance(expression, RuleReference):
        rule = rules.get(expression.rule_name)
        if rule is None:
            raise BrokenManifestError(file, where, f"there is no expansion rule {expression.rule_name!r}")
        yield from _list_references(rule.expression, rules, file, where, depth + 1)
    elif isinstance(expression, Group):
        for item in expression.items:
            yield from _list_references(item, rules, file, where, depth + 1)
