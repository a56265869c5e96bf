"""What the server holds: objects, one order of all changes, and who waits for them.

Every change has a number, the resource version, which all kinds share as in etcd. Owners that are gone take with them what
they own, at once and in the background, as the garbage collector does a moment later; an owner that was never there counts
as gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.kube.kinds import Kind

Object = dict[str, Any]
# The finalizer of what goes after all that it owns.
FOREGROUND = "foregroundDeletion"


def copied(content: Any) -> Any:
    """Return a copy of what JSON may be, without looking for cycles as copy.deepcopy does."""
    if isinstance(content, dict):
        return {name: copied(each) for name, each in content.items()}
    return [copied(each) for each in content] if isinstance(content, list) else content


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Where an object is; `namespace` is empty for what has none."""

    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    Attributes:
        version: Its number.
        key: Of what.
        before: The object until then; None of a new one.
        object: The object since then, of a deleted one its last.
        deleted: Whether it is gone.
    """

    version: int
    key: Key
    before: Object | None
    object: Object
    deleted: bool = False


class Store:
    """Objects and their history.

    Attributes:
        changed: Set at the next change, and replaced by another one.
        graceful: Kinds whose deletion somebody else completes, as a kubelet does with pods.
    """

    def __init__(self) -> None:
        self.version = 1
        self.oldest = 1
        self.history: list[Change] = []
        self._objects: dict[Key, Object] = {}
        self.changed = asyncio.Event()
        self.graceful: set[str] = set()
        self._watchers: list[Callable[[Change], None]] = []

    def get(self, key: Key) -> Object | None:
        """Return a copy of an object."""
        found = self._objects.get(key)
        return copied(found) if found is not None else None

    def of(self, kind: Kind, namespace: str = "") -> Iterator[tuple[Key, Object]]:
        """Yield copies of a kind's objects, of one namespace if it is given, by name."""
        for key in sorted(
            (key for key in self._objects if key.kind == kind), key=lambda key: (key.namespace, key.name)
        ):
            if not namespace or key.namespace == namespace:
                yield key, copied(self._objects[key])

    def all(self) -> dict[Key, Object]:
        """Return copies of everything."""
        return {key: copied(content) for key, content in self._objects.items()}

    def on_change(self, watcher: Callable[[Change], None]) -> None:
        """Tell somebody of every change, at once."""
        self._watchers.append(watcher)

    def put(self, key: Key, content: Object) -> Object:
        """Write an object; return it as it is now."""
        return self._change(key, content)

    def delete(self, key: Key) -> None:
        """Remove an object and what it owned."""
        self._change(key, copied(self._objects[key]), deleted=True)
        self.collect()

    def collect(self) -> None:
        """Remove what only owners own that are gone, or go after it, and owners that have waited for this."""
        living = {each["metadata"]["uid"] for each in self._objects.values()}
        waiting = {each["metadata"]["uid"] for each in self._objects.values() if _waits(each)}
        held = set()
        for key, content in list(self._objects.items()):
            owners = content["metadata"].get("ownerReferences", [])
            if key in self._objects and owners and not any(owner["uid"] in living - waiting for owner in owners):
                if content["metadata"].get("finalizers") or key.kind.name in self.graceful:
                    if "deletionTimestamp" not in content["metadata"]:
                        marked = copied(content)
                        marked["metadata"]["deletionTimestamp"] = "1970-01-01T00:00:00Z"
                        self.put(key, marked)
                else:
                    self.delete(key)
            if key in self._objects:
                held |= {owner["uid"] for owner in owners if owner.get("blockOwnerDeletion")}
        for key, content in list(self._objects.items()):
            if content["metadata"]["uid"] in waiting - held and key in self._objects:
                self._release(key, content)

    def _release(self, key: Key, content: Object) -> None:
        freed = copied(content)
        left = [each for each in content["metadata"]["finalizers"] if each != FOREGROUND]
        freed["metadata"]["finalizers"] = left
        self.put(key, freed)
        if not left and key.kind.name not in self.graceful:
            self.delete(key)

    def orphan(self, uid: str) -> None:
        """Have nothing owned by an object any more."""
        for key, content in list(self._objects.items()):
            owners = content["metadata"].get("ownerReferences", [])
            if any(owner["uid"] == uid for owner in owners):
                left = copied(content)
                left["metadata"]["ownerReferences"] = [owner for owner in owners if owner["uid"] != uid]
                if not left["metadata"]["ownerReferences"]:
                    del left["metadata"]["ownerReferences"]
                self.put(key, left)

    def filled(self, namespace: str) -> bool:
        """Tell whether anything is in a namespace."""
        return any(key.namespace == namespace for key in self._objects)

    def forget(self) -> None:
        """Forget history, as a compaction does: whoever watches from an older version is told 410."""
        self.oldest = self.version
        self.history.clear()

    def since(self, version: int) -> list[Change]:
        """Return what happened after a version."""
        return [change for change in self.history if change.version > version]

    def _change(self, key: Key, content: Object, *, deleted: bool = False) -> Object:
        self.version += 1
        content["metadata"]["resourceVersion"] = str(self.version)
        before = self._objects.pop(key, None)
        if not deleted:
            self._objects[key] = content
        change = Change(version=self.version, key=key, before=before, object=copied(content), deleted=deleted)
        self.history.append(change)
        self.changed.set()
        self.changed = asyncio.Event()
        for watcher in self._watchers:
            watcher(change)
        return copied(content)


def _waits(content: Object) -> bool:
    metadata = content["metadata"]
    return "deletionTimestamp" in metadata and FOREGROUND in metadata.get("finalizers", [])
