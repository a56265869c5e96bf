"""Paths into an object, as printer columns and the scale subresource have them: whether one is well made, and names a field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from support.kube.causes import INVALID, Cause
from support.kube.schemas import Schema

_TYPES = ("boolean", "date", "integer", "number", "string")
_PATH = re.compile(r"(\.[A-Za-z_]\w*|\[\d+\]|\[\?\(@(\.\w+)+(==|!=)(\"[^\"]*\"|\d+)\)\])+")
_STEP = re.compile(r"\.(\w+)|\[[^\]]*\]")
_ASKED = re.compile(r"@((?:\.\w+)+)")


def misprints(columns: list[Mapping[str, Any]], path: str) -> Iterator[Cause]:
    """Yield what is wrong with columns."""
    for number, column in enumerate(columns):
        where = f"{path}.additionalPrinterColumns[{number}]"
        if column["type"] not in _TYPES:
            told = f'Invalid value: "{column["type"]}": must be one of {",".join(_TYPES)}'
            yield Cause(f"{where}.type", INVALID, told)
        if not _PATH.fullmatch(column["jsonPath"]):
            told = f'Invalid value: "{column["jsonPath"]}": must be a simple json path starting with .'
            yield Cause(f"{where}.JSONPath", INVALID, told)


def absent_paths(definition: Mapping[str, Any]) -> list[str]:
    """Return the paths of a definition's columns, and of its scale, that its schema does not know: a server would take them."""
    found = []
    for version in definition["spec"]["versions"]:
        scale = version.get("subresources", {}).get("scale", {})
        paths = [column["jsonPath"] for column in version.get("additionalPrinterColumns", [])]
        paths += [path for field, path in scale.items() if field.endswith("Path")]
        schema = version["schema"]["openAPIV3Schema"]
        found += [path for path in paths if not path.startswith(".metadata.") and not knows(schema, path)]
    return found


def knows(schema: Schema, path: str) -> bool:
    """Tell whether a schema has the field of a path, and those that a filter on the way asks for."""
    here: Any = schema
    for step in _STEP.finditer(path):
        if step[1] is not None:
            here = here.get("properties", {}).get(step[1])
        else:
            here = here.get("items", {})
            if any(not knows(here, asked[1]) for asked in _ASKED.finditer(step[0])):
                return False
        if not here:
            return False
    return True
