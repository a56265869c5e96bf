"""CEL rules of a definition (x-kubernetes-validations), by the language's own implementation.

They are compiled against the types that the schema declares, for which messages are made, and evaluated on what an object says:
what it does not say is no such key there. Quantities, IP addresses and the like, Kubernetes' own functions, are not known, and
strings with a format are strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from cel_expr_python import cel
from google.protobuf import struct_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from support.kube.causes import FORBIDDEN, INVALID, REQUIRED, Cause

Schema = Mapping[str, Any]
VALIDATIONS = "x-kubernetes-validations"
_SCALARS = {
    "integer": (FieldDescriptorProto.TYPE_INT64, cel.Type.INT),
    "number": (FieldDescriptorProto.TYPE_DOUBLE, cel.Type.DOUBLE),
    "string": (FieldDescriptorProto.TYPE_STRING, cel.Type.STRING),
    "boolean": (FieldDescriptorProto.TYPE_BOOL, cel.Type.BOOL),
}
_RESERVED = {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"} | {
    "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"
}  # fmt: skip
_ABSENT = re.compile(r'Key not found in map : "(.*)"')
_WORDS = {FORBIDDEN: "Forbidden", REQUIRED: "Required value", "FieldValueDuplicate": "Duplicate value"}


def compiled(schema: Schema, path: str) -> Iterator[Cause]:
    """Yield what is wrong with a schema's own rules, before any object is there."""
    names = ("self", "oldSelf")
    types = _Types()
    try:
        own = types.cel(schema)
        environment = cel.NewEnv(types.pool(), variables=dict.fromkeys(names, own))
    except (ValueError, TypeError) as error:
        yield Cause(path, INVALID, f"Invalid value: {error}")
        return
    for number, rule in enumerate(schema.get(VALIDATIONS, [])):
        for field, wanted in (("rule", cel.Type.BOOL), ("messageExpression", cel.Type.STRING)):
            where = f"{path}.{VALIDATIONS}[{number}].{field}"
            if field in rule and (failure := _failure(environment, rule[field], wanted)):
                yield Cause(where, INVALID, f"Invalid value: {rule}: {failure}")


def broken(schema: Schema, content: Any, before: Any, path: str) -> Iterator[Cause]:
    """Yield which rules of a schema, not of what is below it, are broken.

    Args:
        schema: Of the value.
        content: The value.
        before: What it was until now; None: there was none, and rules about a change mean nothing.
        path: Where it is.
    """
    said = {"self": _escaped(content), "oldSelf": _escaped(before)}
    for rule in schema.get(VALIDATIONS, []):
        if before is None and re.search(r"\boldSelf\b", rule["rule"]):
            continue
        message = rule.get("message") or f"failed rule: {rule['rule']}"
        answer = _program(rule["rule"]).eval(data=said)
        if answer.type() != cel.Type.BOOL:
            yield Cause(path, INVALID, f'Invalid value: "{schema["type"]}": {_trouble(answer, message)}')
        elif not answer.value():
            if "messageExpression" in rule:
                better = _program(rule["messageExpression"]).eval(data=said)
                message = better.value() if better.type() == cel.Type.STRING else message
            reason = rule.get("reason", INVALID)
            told = "" if isinstance(content, dict | list) else f": {json.dumps(content, ensure_ascii=False)}"
            words = _WORDS.get(reason, f"Invalid value{told}")
            yield Cause(f"{path}{rule.get('fieldPath', '')}", reason, f"{words}: {message}")


@cache
def _program(text: str) -> cel.Expression:
    return cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}).compile(text)


def _failure(environment: cel.Env, text: str, wanted: cel.Type) -> str:
    try:
        answers = environment.compile(text).return_type()
    except RuntimeError as error:
        return f"compilation failed: {str(error).removeprefix('INVALID_ARGUMENT: ')}"
    return "" if answers in (wanted, cel.Type.DYN) else f"must evaluate to {wanted.name().lower()}"


def _trouble(answer: cel.Value, message: str) -> str:
    """Say in the server's words why a rule has no answer."""
    said = str(answer.value())
    if absent := _ABSENT.search(said):
        return f"no such key: {absent[1]} evaluating rule: {message}"
    if "matching overload" in said:
        return (
            "'no such overload': call arguments did not match a supported operator, function or macro signature for "
            f"rule: {message}"
        )
    return f"{said} evaluating rule: {message}"


class _Types:
    """Messages that stand for the objects of a schema."""

    def __init__(self) -> None:
        self._file = FileDescriptorProto(name="schema.proto", package="schema", syntax="proto3")
        self._file.dependency.append(struct_pb2.DESCRIPTOR.name)

    def pool(self) -> DescriptorPool:
        """Return everything that was declared."""
        pool = DescriptorPool()
        for each in (struct_pb2.DESCRIPTOR.serialized_pb, self._file.SerializeToString()):
            pool.AddSerializedFile(each)
        return pool

    def cel(self, schema: Schema) -> cel.Type:
        """Return the type of a value."""
        if "x-kubernetes-int-or-string" in schema or "x-kubernetes-preserve-unknown-fields" in schema:
            return cel.Type.DYN
        if schema["type"] == "array":
            return cel.Type.List(self.cel(schema["items"]))
        if schema["type"] != "object":
            return _SCALARS[schema["type"]][1]
        if "properties" not in schema:
            values = schema.get("additionalProperties")
            return cel.Type.Map(cel.Type.STRING, self.cel(values) if isinstance(values, dict) else cel.Type.DYN)
        return cel.Type(f"schema.{self._message(schema['properties'])}")

    def _message(self, properties: Schema) -> str:
        message = DescriptorProto(name=f"Object{len(self._file.message_type)}")
        # Its number is taken before those of what it holds.
        place = self._file.message_type.add()
        place.name = message.name
        for number, (name, schema) in enumerate(properties.items(), start=1):
            field = message.field.add(name=_name(name), number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            inner = schema
            if schema.get("type") == "array" and schema["items"].get("type") in {*_SCALARS, "object"}:
                field.label = FieldDescriptorProto.LABEL_REPEATED
                inner = schema["items"]
            self._typed(field, inner)
        place.CopyFrom(message)
        return message.name

    def _typed(self, field: FieldDescriptorProto, schema: Schema) -> None:
        if schema.get("type") in _SCALARS:
            field.type = _SCALARS[schema["type"]][0]
            return
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        # What no field can be, a map or a list of lists, is anything.
        field.type_name = (
            f".schema.{self._message(schema['properties'])}" if "properties" in schema else ".google.protobuf.Value"
        )


def _name(name: str) -> str:
    """Return a property's name as rules have to write it."""
    if name in _RESERVED:
        return f"__{name}__"
    for sign, word in (("__", "underscores"), (".", "dot"), ("-", "dash"), ("/", "slash")):
        name = name.replace(sign, f"__{word}__")
    return name


def _escaped(content: Any) -> Any:
    if isinstance(content, dict):
        return {_name(name): _escaped(value) for name, value in content.items()}
    return [_escaped(each) for each in content] if isinstance(content, list) else content
