"""What the server fills in and what it refuses, before an object is stored.

Kinds of Kubernetes are validated by its own published schemas (kubernetes-validate, strict: unknown fields are refused, as
with fieldValidation=Strict), kinds of definitions by their openAPIV3Schema. Of defaults only those of definitions and a few
that clients rely on are filled in.
"""

from __future__ import annotations

import base64
import copy
from typing import Any

import jsonschema

from support.kube.kinds import Kind
from support.kubernetes_schemas import SchemaNotFoundError, ValidationError, validate

KUBERNETES = "1.33"
Object = dict[str, Any]


class RefusedError(Exception):
    """The object is not valid."""


def admit(kind: Kind, content: Object) -> Object:
    """Return an object with its defaults.

    Raises:
        RefusedError: It is not valid: what and where.
    """
    if kind.schema is not None:
        filled: Object = _defaulted(content, kind.schema)
        _by_definition(kind, filled)
        return filled
    if kind.name == "Deployment":
        content["spec"].setdefault("replicas", 1)
    if plain := content.pop("stringData", None):
        content["data"] = content.get("data", {}) | {name: _base64(value) for name, value in plain.items()}
    try:
        validate(_without_nulls(content), KUBERNETES, strict=True)
    except ValidationError as error:
        raise RefusedError(f"{_path(error.path)}: {error.message}") from error
    except SchemaNotFoundError as error:
        raise RefusedError(error.message) from error
    return content


def _by_definition(kind: Kind, content: Object) -> None:
    schema = _strict(kind.schema)
    # Every object has these, whatever else its schema says of them.
    metadata = schema["properties"].get("metadata", {}) | {"additionalProperties": True}
    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": metadata}
    validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
    for error in validator.iter_errors(content):
        raise RefusedError(f"{_path(error.absolute_path)}: {error.message}")


def _strict(schema: Any) -> Any:
    """Return an OpenAPI schema as JSON schema: unknown fields are refused, nullable and int-or-string are understood."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: _strict(value) for name, value in schema.items() if name not in {"default", "x-kubernetes-validations"}
    }
    if "properties" in schema and isinstance(schema["properties"], dict):
        made["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if schema.get("nullable") and "type" in schema:
        made["type"] = [schema["type"], "null"]
    if schema.get("x-kubernetes-int-or-string"):
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return made


def _defaulted(content: Any, schema: Any) -> Any:
    if isinstance(content, dict):
        for name, inner in schema.get("properties", {}).items():
            if name not in content and "default" in inner:
                content[name] = copy.deepcopy(inner["default"])
            if name in content:
                content[name] = _defaulted(content[name], inner)
    if isinstance(content, list):
        return [_defaulted(each, schema.get("items", {})) for each in content]
    return content


def _without_nulls(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_nulls(value) for name, value in content.items() if value is not None}
    return [_without_nulls(each) for each in content] if isinstance(content, list) else content


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _path(parts: Any) -> str:
    return ".".join(str(part) for part in parts) or "object"
