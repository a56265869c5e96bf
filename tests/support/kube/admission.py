"""What the server fills in and what it refuses, before an object is stored.

Kinds of Kubernetes are validated by its own published schemas (kubernetes-validate, strict: unknown fields are refused, as
with fieldValidation=Strict), kinds of definitions by their openAPIV3Schema and its CEL rules, and definitions by what the
server asks of them. Of defaults only those of definitions and a few that clients rely on are filled in.
"""

from __future__ import annotations

import base64
from typing import Any

import jsonschema

from support.kube.causes import INVALID, UNKNOWN, Cause, path_of, told
from support.kube.definitions import faults
from support.kube.kinds import Kind
from support.kube.schemas import breaches, defaulted
from support.kube.validity import flaws, unreadable
from support.kubernetes_schemas import SchemaNotFoundError, ValidationError, validate

KUBERNETES = "1.33"
Object = dict[str, Any]


class RefusedError(Exception):
    """The object is not valid.

    Attributes:
        causes: What is wrong, and where.
    """

    def __init__(self, causes: list[Cause]) -> None:
        super().__init__(told(causes))
        self.causes = causes

    @property
    def unread(self) -> bool:
        """Whether the object has fields that nobody knows: it is not even looked at further."""
        return any(cause.reason == UNKNOWN for cause in self.causes)


def admit(kind: Kind, content: Object, before: Object | None) -> Object:
    """Return an object with its defaults.

    Args:
        kind: Of the object.
        content: As it is to be.
        before: As it was until now; None of a new one.

    Raises:
        RefusedError: It is not valid: what and where.
    """
    if kind.schema is not None:
        filled: Object = defaulted(content, kind.schema)
        _refuse([*flaws(kind, filled, before), *_by_definition(kind, filled, before)])
        return filled
    if kind.name == "Deployment":
        content["spec"].setdefault("replicas", 1)
    if plain := content.pop("stringData", None):
        content["data"] = content.get("data", {}) | {name: _base64(value) for name, value in plain.items()}
    if kind.name == "Secret":
        content.setdefault("type", "Opaque")
        _refuse([Cause("data", UNKNOWN, wrong)] if (wrong := unreadable(content)) else [])
    try:
        validate(_without_nulls(content), KUBERNETES, strict=True)
    except ValidationError as error:
        raise RefusedError([_cause(error)]) from error
    except SchemaNotFoundError as error:
        raise RefusedError([Cause("kind", INVALID, error.message)]) from error
    _refuse(list(flaws(kind, content, before)))
    if kind.name == "CustomResourceDefinition":
        _refuse(list(faults(content)))
    return content


def _refuse(causes: list[Cause]) -> None:
    if causes:
        raise RefusedError(causes)


def _by_definition(kind: Kind, content: Object, before: Object | None) -> list[Cause]:
    schema = dict(kind.schema or {})
    # Every object has these, whatever else its schema says of them.
    metadata = schema.get("properties", {}).get("metadata", {}) | {"additionalProperties": True}
    everywhere = {"apiVersion": {}, "kind": {}, "metadata": metadata}
    return breaches(schema | {"properties": schema.get("properties", {}) | everywhere}, content, before)


def _cause(error: jsonschema.ValidationError) -> Cause:
    reason = UNKNOWN if error.validator == "additionalProperties" else INVALID
    return Cause(path_of(error.absolute_path), reason, error.message)


def _without_nulls(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_nulls(value) for name, value in content.items() if value is not None}
    return [_without_nulls(each) for each in content] if isinstance(content, list) else content


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
