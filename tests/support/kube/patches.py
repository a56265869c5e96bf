"""The ways in which a client changes an object that is there, but for server-side apply (`managers`).

Strategic merge knows lists that are maps by a key, by the names of their fields; others are replaced whole.
"""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch

from support.kube.fields import SETS, key_of

Object = dict[str, Any]

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
        if field in SETS:
            return current + [each for each in patch if each not in current]
        if (key := key_of(field, patch)) is not None:
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
        if name.startswith(_ORDER) and (key := key_of(listed := name.removeprefix(_ORDER), order)) is not None:
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
