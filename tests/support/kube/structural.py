"""What the server asks of a definition's schema: a structure without doubt, and defaults and rules that mean something in it."""

from __future__ import annotations

from collections.abc import Iterator

import jsonschema

from support.kube.causes import FORBIDDEN, INVALID, REQUIRED, UNSUPPORTED, Cause
from support.kube.columns import knows
from support.kube.rules import VALIDATIONS, compiled
from support.kube.schemas import Schema, below, breaches, strict

_REASONS = {INVALID, REQUIRED, FORBIDDEN, "FieldValueDuplicate"}
_ANY = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
_JUNCTORS = ("allOf", "anyOf", "oneOf")
# What says what a field is; below a junctor one may only say what it has to be like.
_STRUCTURE = dict.fromkeys(("type", "title", "description"), "empty")
_STRUCTURE |= dict.fromkeys(("default", "nullable", "additionalProperties", VALIDATIONS), "undefined")
_METADATA = {"name", "generateName"}


def doubts(schema: Schema, path: str, *, root: bool = True) -> Iterator[Cause]:
    """Yield what is wrong with a schema and those below it.

    Args:
        schema: Of an object, or of something in it.
        path: Where it is in the definition.
        root: Whether it is the object's.
    """
    found = [*_typed(schema, path, root=root), *_barred(schema, path), *_junctors(schema, path), *_list(schema, path)]
    for inner, where, _ in below(schema):
        found += doubts(inner, f"{path}{where}", root=False)
    # Where types are not known, what rules would say of them is not what is wrong; nor is a default where rules mean nothing.
    if not found and VALIDATIONS in schema:
        found += [*compiled(schema, path), *_pointing(schema, path)]
    yield from found
    if not found and "default" in schema:
        yield from _default(schema, path)


def _typed(schema: Schema, path: str, *, root: bool) -> Iterator[Cause]:
    if "type" not in schema and (root or not any(schema.get(each) for each in _ANY)):
        where = "at the root" if root else "for specified object fields"
        yield Cause(f"{path}.type", REQUIRED, f"Required value: must not be empty {where}")
    if root and schema.get("type", "object") != "object":
        yield Cause(f"{path}.type", INVALID, f'Invalid value: "{schema["type"]}": must be object at the root')
    if root and set(schema.get("properties", {}).get("metadata", {}).get("properties", {})) - _METADATA:
        told = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield Cause(f"{path}.properties[metadata]", FORBIDDEN, f"Forbidden: {told}")
    if schema.get("type") == "array" and "items" not in schema:
        yield Cause(f"{path}.items", REQUIRED, "Required value: must be specified")


def _barred(schema: Schema, path: str) -> Iterator[Cause]:
    if "properties" in schema and "additionalProperties" in schema:
        told = "Forbidden: additionalProperties and properties are mutual exclusive"
        yield Cause(f"{path}.additionalProperties", FORBIDDEN, told)
    if "$ref" in schema:
        yield Cause(f"{path}.$ref", FORBIDDEN, "Forbidden: $ref is not supported")
    if schema.get("uniqueItems"):
        told = "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield Cause(f"{path}.uniqueItems", FORBIDDEN, told)


def _junctors(schema: Schema, path: str) -> Iterator[Cause]:
    for word in _JUNCTORS:
        for number, inner in enumerate(schema.get(word, [])):
            # The one pair of types that a junctor may hold.
            if not (schema.get("x-kubernetes-int-or-string") and set(inner) == {"type"}):
                yield from _unstructured(inner, f"{path}.{word}[{number}]")
    if "not" in schema:
        yield from _unstructured(schema["not"], f"{path}.not")


def _unstructured(schema: Schema, path: str) -> Iterator[Cause]:
    for word, wanted in _STRUCTURE.items():
        if word in schema:
            yield Cause(f"{path}.{word}", FORBIDDEN, f"Forbidden: must be {wanted} to be structural")
    for inner, where, _ in below(schema):
        yield from _unstructured(inner, f"{path}{where}")


def _list(schema: Schema, path: str) -> Iterator[Cause]:
    kind, keys = schema.get("x-kubernetes-list-type", "atomic"), schema.get("x-kubernetes-list-map-keys", [])
    items = schema.get("items", {})
    if kind == "set" and items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        told = "Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"
        yield Cause(f"{path}.items.x-kubernetes-map-type", INVALID, told)
    if kind == "map" and not keys:
        told = "Required value: must not be empty if x-kubernetes-list-type is map"
        yield Cause(f"{path}.x-kubernetes-list-map-keys", REQUIRED, told)
    for key in keys:
        known = items.get("properties", {}).get(key)
        if known is None:
            told = f'Invalid value: ["{key}"]: entries must all be names of item properties'
            yield Cause(f"{path}.x-kubernetes-list-map-keys", INVALID, told)
        elif key not in items.get("required", []) and "default" not in known:
            told = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield Cause(f"{path}.items.properties[{key}].default", REQUIRED, f"Required value: {told}")


def _pointing(schema: Schema, path: str) -> Iterator[Cause]:
    for number, rule in enumerate(schema[VALIDATIONS]):
        where = f"{path}.{VALIDATIONS}[{number}]"
        if "fieldPath" in rule and not knows(schema, rule["fieldPath"]):
            yield Cause(f"{where}.fieldPath", INVALID, f'Invalid value: "{rule["fieldPath"]}": must be a valid path')
        if rule.get("reason", INVALID) not in _REASONS:
            yield Cause(f"{where}.reason", UNSUPPORTED, f'Unsupported value: "{rule["reason"]}"')


def _default(schema: Schema, path: str) -> Iterator[Cause]:
    try:
        jsonschema.Draft7Validator.check_schema(strict(schema))
    except jsonschema.SchemaError as error:
        yield Cause(path, INVALID, f"Invalid value: {error.message}")
        return
    yield from breaches(schema, schema["default"], None, f"{path}.default")
