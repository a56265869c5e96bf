"""The schema of a definition: its defaults, and what an object breaks of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from support.kube.causes import INVALID, REQUIRED, UNKNOWN, UNSUPPORTED, Cause, path_of
from support.kube.rules import VALIDATIONS, broken

Schema = Mapping[str, Any]
_REASONS = {"required": REQUIRED, "enum": UNSUPPORTED, "additionalProperties": UNKNOWN}
_WORDS = {REQUIRED: "Required value", UNSUPPORTED: "Unsupported value", UNKNOWN: "Unknown"}


def below(schema: Schema) -> Iterator[tuple[Schema, str, str]]:
    """Yield the schemas right below one, where they are, and the name of the property ("*" of any, "" of items)."""
    for name, inner in schema.get("properties", {}).items():
        yield inner, f".properties[{name}]", name
    if isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"], ".additionalProperties", "*"
    if isinstance(schema.get("items"), dict):
        yield schema["items"], ".items", ""


def strict(schema: Any) -> Any:
    """Return an OpenAPI schema as JSON schema: unknown fields are refused, nullable and int-or-string are understood."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items() if name not in {"default", VALIDATIONS}}
    if "properties" in schema and isinstance(schema["properties"], dict):
        made["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if schema.get("nullable") and "type" in schema:
        made["type"] = [schema["type"], "null"]
    if schema.get("x-kubernetes-int-or-string"):
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return made


def defaulted(content: Any, schema: Schema) -> Any:
    """Return a value with the defaults of its schema, also below what was filled in."""
    if isinstance(content, dict):
        for name, inner in schema.get("properties", {}).items():
            if name not in content and "default" in inner:
                content[name] = copy.deepcopy(inner["default"])
            if name in content:
                content[name] = defaulted(content[name], inner)
    if isinstance(content, list):
        return [defaulted(each, schema.get("items", {})) for each in content]
    return content


def breaches(schema: Schema, content: Any, before: Any, path: str = "") -> list[Cause]:
    """Return what a value breaks: of the schema, and of its rules only if that is nothing, as types are certain then.

    Args:
        schema: Of the value.
        content: The value.
        before: What it was until now; None: nothing.
        path: Where it is.
    """
    validator = jsonschema.Draft7Validator(strict(schema), format_checker=jsonschema.FormatChecker())
    found = [_cause(error, path) for error in validator.iter_errors(content)]
    return found or list(_rules(schema, content, before, path))


def _cause(error: jsonschema.ValidationError, path: str) -> Cause:
    within = path_of(error.absolute_path)
    where = ".".join(part for part in (path, within if error.absolute_path else "") if part) or "<nil>"
    reason = _REASONS.get(str(error.validator), INVALID)
    words = _WORDS.get(reason, f"Invalid value: {json.dumps(error.instance, ensure_ascii=False)}")
    return Cause(where, reason, f"{words}: {error.message}")


def _rules(schema: Schema, content: Any, before: Any, path: str) -> Iterator[Cause]:
    if VALIDATIONS in schema:
        yield from broken(schema, content, before, path or "<nil>")
    for inner, _, name in below(schema):
        if isinstance(content, list):
            # Items have no identity here: rules about a change of one are not asked.
            for number, each in enumerate(content):
                yield from _rules(inner, each, None, f"{path}[{number}]")
        elif isinstance(content, dict):
            for key in content if name == "*" else {name} & content.keys():
                earlier = before.get(key) if isinstance(before, dict) else None
                where = f"{path}[{key}]" if name == "*" else f"{path}.{key}".removeprefix(".")
                yield from _rules(inner, content[key], earlier, where)
