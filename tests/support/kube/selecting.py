"""Label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from support.kube.asking import FailedError, Target

_TERM = re.compile(r"\s*,\s*(?![^(]*\))")
_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")


_REQUIREMENT = re.compile(r"!?\S+|\S+\s*(=|==|!=)\s*\S*|\S+\s+(in|notin)\s+\([^)]*\)")
_NAMES = ("metadata.name", "metadata.namespace")
# Of these, a server allows more.
_MORE = ("Event", "Namespace", "Node", "Pod", "ReplicaSet", "Secret", "Service", "Job")


def check_selectors(target: Target, query: Mapping[str, str]) -> None:
    """Look whether selectors say what a server understands.

    Raises:
        FailedError: One does not.
    """
    for term in filter(None, map(str.strip, _TERM.split(query.get("labelSelector", "")))):
        if not _REQUIREMENT.fullmatch(term):
            raise FailedError(400, "BadRequest", f"unable to parse requirement: {term}")
    for term in filter(None, map(str.strip, query.get("fieldSelector", "").split(","))):
        path = re.split("!=|==?", term, maxsplit=1)[0].strip()
        if path not in _NAMES and target.kind.name not in _MORE:
            listed = ", ".join(f'"{each}"' for each in _NAMES)
            raise FailedError(400, "BadRequest", f'"{path}" is not a known field selector: only {listed}')


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
