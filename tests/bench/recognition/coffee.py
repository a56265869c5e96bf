"""The grammar of the speech-to-intent benchmark as sentence templates of a skill.

The benchmark writes `[brew, get me] $size:size latte`: one of the phrases in brackets, then a value of the list `size`
in the slot of that name. Nothing of it is copied here: the file is read where it lies.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

INTENT = "coffee.orderDrink"
_CHOICE = re.compile(r"\[([^\]]*)\]")
_SLOT = re.compile(r"\$(\w+):(\w+)")
# People leave "a" out, and the decoder does not hear it always.
_ARTICLE = re.compile(r"\(a\|an\)")


def coffee_document(grammar: Path) -> str:
    """Return a document in hassil's format of the benchmark's grammar file."""
    context: dict[str, Any] = yaml.safe_load(grammar.read_text("utf-8"))["context"]
    intents = {
        intent: {"data": [{"sentences": [template(sentence) for sentence in sentences]}]}
        for intent, sentences in context["expressions"].items()
    }
    lists = {name: {"values": values} for name, values in context["slots"].items()}
    return yaml.safe_dump({"language": "en-US", "intents": intents, "lists": lists}, sort_keys=False)


def template(expression: str) -> str:
    """Return one expression of the benchmark as a template."""
    chosen = _CHOICE.sub(lambda found: "(" + "|".join(part.strip() for part in found[1].split(",")) + ")", expression)
    slots = _SLOT.sub(
        lambda found: "{" + (found[1] if found[1] == found[2] else f"{found[1]}:{found[2]}") + "}", chosen
    )
    return _ARTICLE.sub("[a|an]", slots)
