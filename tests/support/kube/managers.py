"""Who manages an object's fields, as its managedFields tell it: by manager, operation and subresource.

Whoever changes a field owns it from then on, and nobody else does; whoever applies one owns it, too, with those who want the same. What
a manager applies no more goes, unless somebody else owns it. What it has created an object with stays, as long as its entry says
"Update": somebody has to write "Apply" there first, as `kubectl` does with what it applied by its own means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.kube.asking import now
from support.kube.causes import Cause
from support.kube.fields import Path, flat, merged, paths_of, told, tree, without

Object = dict[str, Any]
# Manager, operation and subresource.
Who = tuple[str, str, str]
# Whoever is not asked for a name.
SOMEBODY = "somebody"


class ConflictError(Exception):
    """Others own what is to be changed.

    Attributes:
        causes: Which fields, and who.
    """

    def __init__(self, causes: list[Cause]) -> None:
        count = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
        listed = ", ".join(f"{cause.message}: {cause.field}" for cause in causes)
        super().__init__(f"Apply failed with {count}: {listed}")
        self.causes = causes


def written(content: Object, before: Object | None, manager: str, sub: str) -> None:
    """Note in an object who has changed what of it."""
    entries = _entries(content, before)
    after, earlier = flat(content, sub), flat(before, sub) if before else {}
    changed = {path for path, value in after.items() if path not in earlier or earlier[path] != value}
    who = (manager or SOMEBODY, "Update", sub)
    own = (_owned(entries.get(who)) | changed) - (earlier.keys() - after.keys())

    def left(other: Who, paths: set[Path]) -> set[Path]:
        # Who has applied just this with the same request is no other.
        return own if other == who else paths - changed

    _note(content, entries, left, who if changed else None)


def apply(current: Object, body: Object, manager: str, sub: str, *, force: bool) -> Object:
    """Return an object with what a manager applies, and without what it applies no more.

    Raises:
        ConflictError: Others own what would be another value, and it is not to be forced.
    """
    entries = _entries(current, None)
    who = (manager, "Apply", sub)
    wanted, there = flat(body, sub), flat(current, sub)
    changed = {path for path, value in wanted.items() if path in there and there[path] != value}
    taken = [
        Cause(told(path), "FieldManagerConflict", f'conflict with "{other[0]}"{_version(entry)}')
        for other, entry in entries.items()
        if other != who
        for path in sorted(_owned(entry) & changed)
    ]
    if taken and not force:
        raise ConflictError(taken)
    others = {path for other, entry in entries.items() if other != who for path in _owned(entry)} | wanted.keys()
    made: Object = without(current, _owned(entries.get(who)) - wanted.keys(), others)
    part = (
        {sub: body.get(sub, {})}
        if sub == "status"
        else {name: value for name, value in body.items() if name != "status"}
    )
    made = merged(made, part)
    # Who says which object he means does not change it.
    made["metadata"] |= {name: current["metadata"][name] for name in ("uid", "resourceVersion")}

    def left(other: Who, paths: set[Path]) -> set[Path]:
        return set(wanted) if other == who else paths - changed

    _note(made, entries, left, who)
    return made


def created_by(body: Object, manager: str, sub: str) -> Object:
    """Return a new object that is applied."""
    content = {**body, "metadata": dict(body.get("metadata", {}))}
    _note(content, {}, lambda _who, _paths: set(flat(body, sub)), (manager, "Apply", sub))
    return content


def _entries(content: Object, before: Object | None) -> dict[Who, Object]:
    """Return what an object says, or, where that is nothing that can be read, what it said before; [{}] is for nobody."""
    said = content["metadata"].get("managedFields")
    if said == [{}]:
        return {}
    readable = said and all({"manager", "operation", "fieldsV1"} <= each.keys() for each in said)
    if not readable:
        said = before["metadata"].get("managedFields", []) if before else []
    return {(each["manager"], each["operation"], each.get("subresource", "")): each for each in said or []}


def _owned(entry: Object | None) -> set[Path]:
    return paths_of(entry["fieldsV1"]) if entry else set()


def _note(
    content: Object, entries: dict[Who, Object], left: Callable[[Who, set[Path]], set[Path]], writer: Who | None
) -> None:
    made = []
    for who in (*entries, *([writer] if writer and writer not in entries else [])):
        entry = entries.get(who)
        owned = left(who, _owned(entry))
        if entry is not None and owned == _owned(entry):
            made.append(entry)
        elif owned:
            manager, operation, sub = who
            version = content["apiVersion"]
            told_of = {"manager": manager, "operation": operation, "apiVersion": version, "time": now()}
            told_of |= {"fieldsType": "FieldsV1", "fieldsV1": tree(owned)}
            made.append(told_of | ({"subresource": sub} if sub else {}))
    content["metadata"].pop("managedFields", None)
    if made:
        content["metadata"]["managedFields"] = made


def _version(entry: Object) -> str:
    part = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
    return part + (f" using {entry['apiVersion']}" if entry["operation"] == "Update" else "")
