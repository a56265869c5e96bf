"""How objects end: at once, when their finalizers are gone, with what they own or before it, and namespaces with all that is in them."""

from __future__ import annotations

from support.kube.asking import FailedError, Target, now
from support.kube.kinds import Kinds, defined
from support.kube.store import FOREGROUND, Change, Key, Object, Store


class Ending:
    """Ends what is in a store."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self.store = store
        self.kinds = kinds
        store.on_change(self._bury)

    def admits(self, target: Target) -> None:
        """Look whether something may be made where it is to be.

        Raises:
            FailedError: There is no such namespace, or it ends.
        """
        if not target.kind.namespaced:
            return
        name = target.namespace
        home = self.store.get(self._namespace(name))
        if home is None:
            named = {"name": name, "kind": "namespaces"}
            raise FailedError(404, "NotFound", f'namespaces "{name}" not found', named)
        if "deletionTimestamp" in home["metadata"]:
            why = f"unable to create new content in namespace {name} because it is being terminated"
            message = f"namespace {name} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
            error = target.refused(403, "Forbidden", f'{target.resource} "{target.name}" is forbidden: {why}')
            error.details = {**(error.details or {}), "causes": [cause]}
            raise error

    def end(self, key: Key, content: Object, options: Object) -> None:
        """Delete an object as a client does: its finalizers, and whoever ends it, are waited for."""
        policy = options.get("propagationPolicy")
        if policy == "Orphan":
            self.store.orphan(content["metadata"]["uid"])
        if policy == "Foreground" and FOREGROUND not in content["metadata"].get("finalizers", []):
            content["metadata"]["finalizers"] = [*content["metadata"].get("finalizers", []), FOREGROUND]
        graceful = key.kind.name in self.store.graceful and options.get("gracePeriodSeconds") != 0
        if not content["metadata"].get("finalizers") and not graceful and key.kind.name != "Namespace":
            self.remove(key)
            return
        if "deletionTimestamp" not in content["metadata"]:
            content["metadata"] |= {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
            if "generation" in content["metadata"]:
                content["metadata"]["generation"] += 1
        if key.kind.name == "Namespace":
            content["status"] = {"phase": "Terminating"}
        self.store.put(key, content)
        if key.kind.name == "Namespace":
            for inner, each in self.store.all().items():
                if inner.namespace == key.name and self.store.get(inner) is not None:
                    self.end(inner, each, {})
            self._close(key)
        self.store.collect()

    def remove(self, key: Key) -> None:
        """Remove an object for good."""
        if key.kind.name == "CustomResourceDefinition" and (definition := self.store.get(key)) is not None:
            for kind in defined(definition):
                self.kinds.remove(kind)
        self.store.delete(key)

    def _bury(self, change: Change) -> None:
        """Remove a namespace that ends with the last that was in it."""
        if change.deleted and change.key.namespace:
            self._close(self._namespace(change.key.namespace))

    def _close(self, home: Key) -> None:
        namespace = self.store.get(home)
        if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
            return
        if not self.store.filled(home.name):
            self.store.delete(home)

    def _namespace(self, name: str) -> Key:
        return Key(kind=self.kinds.named("v1", "Namespace"), namespace="", name=name)
