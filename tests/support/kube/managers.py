"""Who manages an object's fields: told in managedFields, by manager and operation alone; the fields themselves are remembered here.

What a manager has applied and applies no more is taken away. What it has created an object with stays, as long as its entry says
"Update": somebody has to write "Apply" there first, as `kubectl` does with what it applied by its own means.
"""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]


class Managers:
    """Of all objects of a store."""

    def __init__(self) -> None:
        self._applied: dict[tuple[str, str, str], Object] = {}
        self._created: dict[tuple[str, str], Object] = {}

    def created(self, content: Object, manager: str) -> None:
        """Note with what an object was created, in it and here."""
        if manager:
            content["metadata"]["managedFields"] = [_entry(content, manager, "Update", "")]
            self._created[content["metadata"]["uid"], manager] = copy.deepcopy(content)

    def before(self, uid: str, manager: str, sub: str) -> Object | None:
        """Return what a manager applied last; None where nothing may be taken away because of it."""
        return None if (uid, manager) in self._created else self._applied.get((uid, manager, sub))

    def applied(self, content: Object, manager: str, sub: str) -> None:
        """Note in an object who has applied something of it."""
        entries = content["metadata"].setdefault("managedFields", [])
        made = _entry(content, manager, "Apply", sub)
        if made not in entries:
            entries.append(made)

    def remember(self, uid: str, body: Object, manager: str, sub: str) -> None:
        """Remember what was applied."""
        self._applied[uid, manager, sub] = copy.deepcopy(body)

    def replaced(self, content: Object, current: Object) -> None:
        """Keep what a client does not write, and look whether one has made applied fields of created ones."""
        metadata = content["metadata"]
        if "managedFields" in current["metadata"]:
            metadata.setdefault("managedFields", current["metadata"]["managedFields"])
        said = {(each["manager"], each["operation"]) for each in metadata.get("managedFields", [])}
        uid = current["metadata"]["uid"]
        for key in [key for key in self._created if key[0] == uid]:
            if (key[1], "Update") not in said and (key[1], "Apply") in said:
                self._applied[uid, key[1], ""] = self._created.pop(key)


def _entry(content: Object, manager: str, operation: str, sub: str) -> Object:
    made = {
        "manager": manager,
        "operation": operation,
        "apiVersion": content["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": {},
    }
    return made | ({"subresource": sub} if sub else {})
