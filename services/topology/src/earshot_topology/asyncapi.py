"""The AsyncAPI 3 document of the bus, generated from the channels, streams and consumers that services run on.

Usage: python -m earshot_topology.asyncapi [--check] [FILE]

FILE is docs/asyncapi.yaml by default. --check fails when it is not what would be generated.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from earshot_topology.catalog import CHANNELS, Channel
from earshot_topology.streams import CONSUMERS

_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_INT32: {"type": "integer"},
    FieldDescriptor.TYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.TYPE_UINT64: {"type": "string", "format": "uint64"},
}

# JSON forms of well-known types, as proto3's JSON mapping has them.
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?s$"},
    "google.protobuf.Struct": {"type": "object"},
}


def document() -> dict[str, Any]:
    """Return the document."""
    schemas: dict[str, Any] = {}
    for channel in CHANNELS:
        for message in (channel.message, channel.reply):
            if message is not None:
                _add_schema(message.DESCRIPTOR, schemas)
    roles = sorted({role for channel in CHANNELS for role in (*channel.senders, *channel.receivers)})
    operations: dict[str, Any] = {}
    for channel in CHANNELS:
        operations |= _operations(channel)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Earshot",
            "version": "1.0.0",
            "description": "The bus of Earshot. Payloads are protobuf; schemas show their JSON form.",
        },
        "defaultContentType": "application/protobuf",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": operations,
        "components": {
            "messages": {name: _message(kind) for name, kind in sorted(_messages().items())},
            "schemas": dict(sorted(schemas.items())),
            "tags": {role: {"name": role} for role in roles},
        },
    }


def _messages() -> dict[str, type[Message]]:
    found = {channel.message.DESCRIPTOR.full_name: channel.message for channel in CHANNELS}
    found |= {channel.reply.DESCRIPTOR.full_name: channel.reply for channel in CHANNELS if channel.reply}
    return found


def _message(kind: type[Message]) -> dict[str, Any]:
    name = kind.DESCRIPTOR.full_name
    return {
        "name": name,
        "contentType": f"application/protobuf;type={name}",
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _channel(channel: Channel) -> dict[str, Any]:
    kinds = [channel.message, *([channel.reply] if channel.reply else [])]
    described: dict[str, Any] = {
        "address": channel.address,
        "description": channel.summary,
        "messages": {
            kind.DESCRIPTOR.name: {"$ref": f"#/components/messages/{kind.DESCRIPTOR.full_name}"} for kind in kinds
        },
    }
    parameters = re.findall(r"{(\w+)}", channel.address)
    if parameters:
        described["parameters"] = {name: {"description": "One subject token."} for name in parameters}
    if channel.stream:
        described["x-stream"] = channel.stream
    return described


def _operations(channel: Channel) -> dict[str, Any]:
    reference = {"$ref": f"#/channels/{channel.name}"}
    operations: dict[str, Any] = {}
    for action, roles in (("send", channel.senders), ("receive", channel.receivers)):
        for role in roles:
            operation: dict[str, Any] = {
                "action": action,
                "channel": reference,
                "tags": [{"$ref": f"#/components/tags/{role}"}],
                "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.message.DESCRIPTOR.name}"}],
            }
            if channel.reply is not None:
                operation["reply"] = {
                    "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.reply.DESCRIPTOR.name}"}]
                }
            durables = [
                consumer.durable
                for consumer in CONSUMERS
                if action == "receive"
                and consumer.stream == channel.stream
                and consumer.service == role
                and _matches(consumer.filter_subject, channel.address)
            ]
            if durables:
                operation["x-consumer"] = durables[0]
            operations[f"{role}.{action}.{channel.name}"] = operation
    return operations


def _matches(pattern: str, address: str) -> bool:
    return pattern == re.sub(r"{\w+}", "*", address)


def _add_schema(descriptor: Any, schemas: dict[str, Any]) -> None:
    name = descriptor.full_name
    if name in schemas or name in _WELL_KNOWN:
        return
    schemas[name] = {"type": "object", "properties": {}}
    for field in descriptor.fields:
        schemas[name]["properties"][field.json_name] = _field(field, schemas)


def _field(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _single(entry.fields_by_name["value"], schemas)}
    single = _single(field, schemas)
    return {"type": "array", "items": single} if field.is_repeated else single


def _single(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    if field.message_type is not None:
        name = field.message_type.full_name
        if name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[name])
        _add_schema(field.message_type, schemas)
        return {"$ref": f"#/components/schemas/{name}"}
    return dict(_SCALARS[field.type])


def text() -> str:
    """Return the document as YAML."""
    head = "# Generated by `make asyncapi` from services/topology. Do not edit.\n"
    return head + yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=120)


def main() -> None:
    """Run the command."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    target = Path(arguments[0] if arguments else "docs/asyncapi.yaml")
    if "--check" not in sys.argv:
        target.write_text(text())
    elif not target.exists() or target.read_text() != text():
        raise SystemExit(f"{target} is stale, run `make asyncapi`")


if __name__ == "__main__":
    main()
