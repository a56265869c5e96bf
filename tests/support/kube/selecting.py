"""Label and field selectors."""

from __future__ import annotations

import re
from typing import Any

_TERM = re.compile(r"\s*,\s*(?![^(]*\))")
_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")


def labels_match(content: dict[str, Any], selector: str) -> bool:
    """Tell whether an object's labels match: a=b, a==b, a!=b, a, !a, a in (b,c), a notin (b,c)."""
    labels = content["metadata"].get("labels") or {}
    return all(_label(labels, term.strip()) for term in _TERM.split(selector) if term.strip())


def _label(labels: dict[str, str], term: str) -> bool:
    if found := _SET.fullmatch(term):
        name, how, values = found.groups()
        inside = labels.get(name) in {value.strip() for value in values.split(",")}
        return inside if how == "in" else not inside
    if "!=" in term:
        name, value = term.split("!=", 1)
        return labels.get(name.strip()) != value.strip()
    if "=" in term:
        name, value = re.split("==?", term, maxsplit=1)
        return labels.get(name.strip()) == value.strip()
    return term[1:] not in labels if term.startswith("!") else term in labels


def fields_match(content: dict[str, Any], selector: str) -> bool:
    """Tell whether an object's fields match: metadata.name=a,status.phase!=b; of any field, where a server allows few."""
    for term in filter(None, (term.strip() for term in selector.split(","))):
        wanted = "!=" not in term
        path, value = re.split("!=|==?", term, maxsplit=1)
        found: Any = content
        for part in path.strip().split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        if (str(found) == value.strip()) != wanted:
            return False
    return True
