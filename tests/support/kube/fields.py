"""The fields of an object, one by one, as server-side apply knows them: by paths as in managedFields (f:spec, f:replicas).

Lists that are maps by a key, and sets, are known by the names of their fields; others, and selectors, are one field.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]
Path = tuple[str, ...]

# By the name of the list's field; where two lists of one name differ, the first key that its items have.
_LIST_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
}
SETS = frozenset({"finalizers"})
_ATOMIC = frozenset({"selector"})
_NOBODYS = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "uid",
    }
)


def key_of(field: str, items: list[Any]) -> str | None:
    """Return by what the items of a list are known; None if by nothing."""
    for key in _LIST_KEYS.get(field, ()):
        if items and all(isinstance(item, dict) and key in item for item in items):
            return key
    return None


def flat(content: Object, sub: str) -> dict[Path, Any]:
    """Return the fields that somebody may own who writes an object, or a part of it, with their values."""
    if sub == "status":
        return dict(_walk({sub: content.get(sub, {})}, "", ()))
    metadata = {name: value for name, value in content.get("metadata", {}).items() if name not in _NOBODYS}
    rest = {name: value for name, value in content.items() if name not in {"apiVersion", "kind", "metadata", "status"}}
    return dict(_walk({"metadata": metadata} | rest, "", ()))


def _walk(value: Any, field: str, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value and field not in _ATOMIC:
        for name, each in value.items():
            yield from _walk(each, name, (*path, f"f:{name}"))
    elif isinstance(value, list) and (key := key_of(field, value)) is not None:
        for item in value:
            inner = (*path, _named(key, item))
            yield (*inner, "."), None
            yield from _walk(item, "", inner)
    elif isinstance(value, list) and field in SETS:
        for each in value:
            yield (*path, f"v:{json.dumps(each)}"), each
    elif path and value != {}:
        yield path, value


def _named(key: str, item: Object) -> str:
    return f"k:{json.dumps({key: item[key]}, separators=(',', ':'))}"


def merged(current: Any, more: Any, field: str = "") -> Any:
    """Return a value with what somebody applies to it."""
    if isinstance(more, list) and isinstance(current, list):
        if field in SETS:
            return current + [each for each in more if each not in current]
        if (key := key_of(field, more)) is not None:
            items = {item.get(key): item for item in current if isinstance(item, dict)}
            for item in more:
                items[item[key]] = merged(items.get(item[key], {}), item)
            return list(items.values())
    if not isinstance(more, dict) or field in _ATOMIC:
        return copy.deepcopy(more)
    made = dict(current) if isinstance(current, dict) else {}
    for name, value in more.items():
        made[name] = merged(made.get(name), value, name)
    return made


def without(content: Any, paths: set[Path], kept: set[Path]) -> Any:
    """Return a value without some fields, and without what has nothing left by that; `kept` are those of anybody else."""
    first = {path[0] for path in paths}
    if isinstance(content, dict):
        made = {}
        for name, value in content.items():
            below, others = _below(f"f:{name}", paths), _below(f"f:{name}", kept)
            if () in below and not others:
                continue
            left = without(value, below - {()}, others) if below else value
            if below and left in ({}, []) and left != value:
                continue
            made[name] = left
        return made
    if not isinstance(content, list) or not first:
        return content
    left = []
    for item in content:
        name = next((each for each in first if _is(each, item)), "")
        below, others = _below(name, paths), _below(name, kept)
        if not name:
            left.append(item)
        elif others or not below & {(), (".",)}:
            # The item itself goes, unless somebody else owns a part of it.
            left.append(without(item, below - {(), (".",)}, others))
    return left


def _below(name: str, paths: set[Path]) -> set[Path]:
    return {path[1:] for path in paths if path and path[0] == name}


def _is(name: str, item: Any) -> bool:
    told = json.loads(name[2:]) if name[:2] in {"k:", "v:"} else None
    if name.startswith("v:"):
        return bool(told == item)
    return isinstance(told, dict) and isinstance(item, dict) and told.items() <= item.items()


def tree(paths: set[Path]) -> Object:
    """Return fields as managedFields have them."""
    made: Object = {}
    for path in sorted(paths):
        place = made
        for part in path:
            place = place.setdefault(part, {})
    return made


def paths_of(made: Object, path: Path = ()) -> set[Path]:
    """Return the fields of a tree."""
    found: set[Path] = set()
    for name, below in made.items():
        found |= paths_of(below, (*path, name)) if below else {(*path, name)}
    return found


def told(path: Path) -> str:
    """Return a field as a message names it: .spec.replicas."""
    return "".join(
        f".{part[2:]}" if part.startswith("f:") else f"[{part[2:].strip('{}').replace(':', '=')}]"
        for part in path
        if part != "."
    )
