"""Every message class of the contracts, and a sample of each with a value in every field."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

import earshot


def message_classes() -> dict[str, type[Message]]:
    """Return every message class below the package earshot by full name, nested ones included."""
    found: dict[str, type[Message]] = {}
    for module in pkgutil.walk_packages(earshot.__path__, "earshot."):
        if module.name.endswith("_pb2"):
            loaded = importlib.import_module(module.name)
            for value in vars(loaded).values():
                if isinstance(value, type) and issubclass(value, Message):
                    _collect(value, found)
    return dict(sorted(found.items()))


def methods() -> dict[str, set[str]]:
    """Return every gRPC method of the contracts as its path, by the package that it belongs to."""
    found: dict[str, set[str]] = {}
    for module in pkgutil.walk_packages(earshot.__path__, "earshot."):
        if module.name.endswith("_pb2"):
            for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values():
                paths = {f"/{service.full_name}/{method.name}" for method in service.methods}
                found.setdefault(service.file.package, set()).update(paths)
    return found


def _collect(message_class: type[Message], found: dict[str, type[Message]]) -> None:
    found[message_class.DESCRIPTOR.full_name] = message_class
    for nested in message_class.DESCRIPTOR.nested_types:
        if not nested.GetOptions().map_entry:
            _collect(getattr(message_class, nested.name), found)


def saturated(message_class: type[Message], depth: int = 3) -> Message:
    """Return a message with a value other than the default in every field (the last of each oneof wins)."""
    message = message_class()
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(message, field, depth)
        elif field.is_repeated:
            if field.message_type is None:
                getattr(message, field.name).extend([_scalar(field), _scalar(field)])
            elif depth:
                getattr(message, field.name).add().CopyFrom(saturated(field.message_type._concrete_class, depth - 1))
        elif field.message_type is None:
            setattr(message, field.name, _scalar(field))
        elif depth:
            getattr(message, field.name).CopyFrom(saturated(field.message_type._concrete_class, depth - 1))
    return message


def _fill_map(message: Message, field: FieldDescriptor, depth: int) -> None:
    value = field.message_type.fields_by_name["value"]
    if value.message_type is None:
        getattr(message, field.name)["key"] = _scalar(value)
    elif depth:
        getattr(message, field.name)["key"].CopyFrom(saturated(value.message_type._concrete_class, depth - 1))


def _scalar(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return b"\x00\xff" if field.type == FieldDescriptor.TYPE_BYTES else f"{field.name} 样本"
        case FieldDescriptor.CPPTYPE_BOOL:
            return True
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return 0.5
        case _:
            return field.number + 40
