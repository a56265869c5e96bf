"""The four ways in which a client changes an object that is there.

Strategic merge and server-side apply know lists that are maps by a key, by the names of their fields; others are replaced
whole. Apply remembers what each manager applied last, outside of the object, and takes away what it no longer applies and
nobody else does. Conflicts between managers are never told: the last one wins, as with force.
"""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch

Object = dict[str, Any]

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
_SETS = {"finalizers"}
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"


class PatchError(Exception):
    """It can't be applied."""


def json_patch(current: Object, patch: list[Object]) -> Object:
    """RFC 6902.

    Raises:
        PatchError: A test failed, or a path is missing.
    """
    try:
        changed: Object = jsonpatch.apply_patch(current, patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise PatchError(str(error)) from error
    return changed


def merge_patch(current: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    changed = dict(current) if isinstance(current, dict) else {}
    for name, value in patch.items():
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = merge_patch(changed.get(name), value)
    return changed


def strategic_patch(current: Any, patch: Any, field: str = "") -> Any:
    """Merge patch, with keyed lists merged by their keys and put in order, $patch: delete for one item, and $retainKeys."""
    if isinstance(patch, list) and isinstance(current, list):
        if field in _SETS:
            return current + [each for each in patch if each not in current]
        if (key := _key(field, patch)) is not None:
            return _merged(current, patch, key)
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    changed = dict(current) if isinstance(current, dict) else {}
    changed = {name: value for name, value in changed.items() if name in patch.get(_RETAIN, changed)}
    for name, value in patch.items():
        if value is None:
            changed.pop(name, None)
        elif not name.startswith((_ORDER, _RETAIN)):
            changed[name] = strategic_patch(changed.get(name), value, name)
    for name, order in patch.items():
        if name.startswith(_ORDER) and (key := _key(listed := name.removeprefix(_ORDER), order)) is not None:
            before = current.get(listed, []) if isinstance(current, dict) else []
            merged = {item.get(key): item for item in changed[listed]}
            changed[listed] = _ordered(merged, [item[key] for item in order], [item.get(key) for item in before])
    return changed


def _merged(current: list[Object], patch: list[Object], key: str) -> list[Object]:
    """Return a list that is a map by a key, after a patch."""
    merged = {item.get(key): item for item in current}
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item.get(key), None)
        else:
            merged[item[key]] = strategic_patch(merged.get(item[key], {}), item)
    return _ordered(merged, [item.get(key) for item in patch], [item.get(key) for item in current])


def _ordered(merged: dict[Any, Object], told: list[Any], before: list[Any]) -> list[Object]:
    """Return a list's items as the patch orders its own and the server had the others; what is new comes before these."""
    ours, others = [name for name in told if name in merged], [name for name in merged if name not in told]
    places = {name: place for place, name in enumerate(before)}
    order = []
    while ours and others:
        behind = ours[0] in places and others[0] in places and places[others[0]] < places[ours[0]]
        order.append((others if behind else ours).pop(0))
    return [merged[name] for name in (*order, *ours, *others)]


def applied(current: Any, before: Any, now: Any, field: str = "") -> Any:
    """Return an object after one manager's apply.

    Args:
        current: As it is.
        before: What the manager applied last; None if nothing.
        now: What it applies.
        field: Name of the field that this is.
    """
    if isinstance(now, list) and isinstance(current, list) and (key := _key(field, now)) is not None:
        kept = {item.get(key): item for item in current if isinstance(item, dict)}
        earlier = {item.get(key): item for item in before} if isinstance(before, list) else {}
        wanted = {item[key]: item for item in now}
        for name in earlier.keys() - wanted.keys():
            kept.pop(name, None)
        for name, item in wanted.items():
            kept[name] = applied(kept.get(name, {}), earlier.get(name), item)
        return list(kept.values())
    if not isinstance(now, dict):
        return copy.deepcopy(now)
    changed = dict(current) if isinstance(current, dict) else {}
    for name in (before.keys() if isinstance(before, dict) else set()) - now.keys():
        changed.pop(name, None)
    for name, value in now.items():
        changed[name] = applied(changed.get(name), before.get(name) if isinstance(before, dict) else None, value, name)
    return changed


def _key(field: str, items: list[Any]) -> str | None:
    for key in _LIST_KEYS.get(field, ()):
        if items and all(isinstance(item, dict) and key in item for item in items):
            return key
    return None
