"""Writes: what each verb makes of an object, and when it is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from support.kube.admission import RefusedError, admit
from support.kube.asking import FailedError, Target, now
from support.kube.causes import INVALID, Cause, details
from support.kube.kinds import Kinds, defined
from support.kube.managers import Managers
from support.kube.patches import PatchError, applied, json_patch, merge_patch, strategic_patch
from support.kube.store import Key, Object, Store, copied

_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "generation", "namespace", "name")
_FINAL = {"Deployment": "selector", "StatefulSet": "selector"}


class Writing:
    """Writes into a store."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self.store = store
        self.kinds = kinds
        self._managers = Managers()

    def present(self, target: Target) -> Object:
        """Return an object.

        Raises:
            FailedError: It is not there.
        """
        found = self.store.get(target.key)
        if found is None:
            raise FailedError(404, "NotFound", f'{target.kind.plural} "{target.name}" not found')
        return found

    def create(self, target: Target, content: Object, manager: str = "", *, dry: bool = False) -> Object:
        """Store a new object.

        Raises:
            FailedError: It is there already, or not valid.
        """
        metadata = content.setdefault("metadata", {})
        name = metadata.get("name") or f"{metadata.get('generateName', '')}{uuid.uuid4().hex[:5]}"
        where = Target(kind=target.kind, namespace=target.namespace, name=name, sub="")
        if target.kind.namespaced and self.store.get(_namespace(self.kinds, target.namespace)) is None:
            raise FailedError(404, "NotFound", f'namespaces "{target.namespace}" not found')
        if self.store.get(where.key) is not None:
            raise FailedError(409, "AlreadyExists", f'{target.kind.plural} "{name}" already exists')
        if metadata.get("resourceVersion"):
            raise FailedError(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        metadata |= {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": now()}
        if target.kind.status:
            content.pop("status", None)
        if "spec" in content:
            metadata["generation"] = 1
        content |= {"kind": target.kind.name, "apiVersion": target.kind.api_version}
        self._managers.created(content, manager)
        return self._store(where, content, None, dry=dry)

    def update(self, target: Target, content: Object, *, dry: bool = False) -> Object:
        """Replace an object.

        Raises:
            FailedError: It is not there, is another one, or not valid.
        """
        current = self.present(target)
        version = content.get("metadata", {}).get("resourceVersion")
        self._unchanged(target, current, version, content.get("metadata", {}).get("uid"))
        return self._replace(target, current, content, dry=dry)

    def patch(self, target: Target, body: Any, how: str, manager: str, *, dry: bool) -> Object:
        """Change an object by one of the four ways.

        Raises:
            FailedError: It is not there, is another one, or not valid.
        """
        if "apply-patch" in how:
            return self._apply(target, body, manager, dry=dry)
        current = self.present(target)
        if isinstance(body, dict):
            self._meant(target, current, body.get("metadata") or {})
        try:
            if "json-patch" in how:
                content = json_patch(copied(current), body)
            elif "strategic" in how and target.kind.schema is None:
                content = strategic_patch(copied(current), body)
            elif "merge-patch" in how and "strategic" not in how:
                content = merge_patch(copied(current), body)
            else:
                raise FailedError(
                    415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {how}"
                )
        except PatchError as error:
            raise FailedError(422, "Invalid", str(error)) from error
        return self._replace(target, current, content, dry=dry)

    def _apply(self, target: Target, body: Object, manager: str, *, dry: bool) -> Object:
        if not manager:
            raise FailedError(400, "BadRequest", "PatchOptions.meta.k8s.io is invalid: fieldManager is required")
        current = self.store.get(target.key)
        told = body.get("metadata", {})
        if current is None and target.sub:
            raise FailedError(404, "NotFound", f'{target.kind.plural} "{target.name}" not found')
        if current is None and told.get("uid"):
            raise FailedError(409, "Conflict", f"uid mismatch: {told['uid']} is told, and no object was found")
        if current is None:
            made = copied(body)
            made["metadata"] = {**told, "name": target.name}
            made |= {"kind": target.kind.name, "apiVersion": target.kind.api_version}
            self._managers.applied(made, manager, target.sub)
            answer = self.create(target, made, dry=dry)
        else:
            self._meant(target, current, told)
            before = self._managers.before(current["metadata"]["uid"], manager, target.sub)
            made = applied(copied(current), before, body)
            self._managers.applied(made, manager, target.sub)
            answer = self._replace(target, current, made, dry=dry)
        if not dry:
            self._managers.remember(answer["metadata"]["uid"], body, manager, target.sub)
        return answer

    def _meant(self, target: Target, current: Object, told: Object) -> None:
        """Look whether a patch says the object's own id and version: a wrong id is a wrong field, not a conflict."""
        if told.get("uid") not in {None, "", current["metadata"]["uid"]}:
            wrong = f'Invalid value: "{told["uid"]}": field is immutable'
            raise _refusal(target, RefusedError([Cause("metadata.uid", INVALID, wrong)]))
        self._unchanged(target, current, told.get("resourceVersion"), None)

    def _unchanged(self, target: Target, current: Object, version: str | None, uid: str | None) -> None:
        metadata = current["metadata"]
        if version not in {None, "", metadata["resourceVersion"]} or uid not in {None, "", metadata["uid"]}:
            raise FailedError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {target.kind.plural} "{target.name}": the object has been modified; '
                "please apply your changes to the latest version and try again",
            )

    def _replace(self, target: Target, current: Object, content: Object, *, dry: bool) -> Object:
        if target.sub == "status":
            content = copied(current) | {"status": content.get("status", {})}
        elif target.kind.status:
            content.pop("status", None)
            if "status" in current:
                content["status"] = current["status"]
        metadata = content.setdefault("metadata", {})
        metadata |= {name: current["metadata"][name] for name in _KEPT if name in current["metadata"]}
        self._managers.replaced(content, current)
        metadata["resourceVersion"] = current["metadata"]["resourceVersion"]
        final = _FINAL.get(target.kind.name)
        if final and content["spec"].get(final) != current["spec"].get(final):
            raise FailedError(422, "Invalid", f'{target.kind.name} "{target.name}": spec.{final}: field is immutable')
        return self._store(target, content, current, dry=dry)

    def _store(self, target: Target, content: Object, current: Object | None, *, dry: bool) -> Object:
        content |= {"kind": target.kind.name, "apiVersion": target.kind.api_version}
        if target.kind.namespaced:
            content["metadata"]["namespace"] = target.namespace
        if content == current:
            return content
        try:
            content = admit(target.kind, content, current)
        except RefusedError as error:
            raise _refusal(target, error) from error
        if current is not None:
            if "generation" in current["metadata"] and _meaning(content) != _meaning(current):
                content["metadata"]["generation"] = current["metadata"]["generation"] + 1
            if content == current:
                return current
        if dry:
            return content
        if (
            current is not None
            and "deletionTimestamp" in current["metadata"]
            and not content["metadata"].get("finalizers")
        ):
            self.store.put(target.key, content)
            self.remove(target.key)
            return content
        stored = self.store.put(target.key, content)
        if target.kind.name == "CustomResourceDefinition":
            self._define(stored)
        self.store.collect()
        return stored

    def _define(self, definition: Object) -> None:
        for kind in defined(definition):
            self.kinds.add(kind)

    def delete(self, target: Target, options: Object, selected: Callable[[Object], bool] | None) -> Object:
        """Delete an object, or those of a collection that are selected.

        Raises:
            FailedError: It is not there, or not as the options say.
        """
        if selected is not None:
            for key, content in list(self.store.of(target.kind, target.namespace)):
                if selected(content):
                    self.end(key, content, options)
            return {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}
        current = self.present(target)
        wanted = options.get("preconditions", {})
        self._unchanged(target, current, wanted.get("resourceVersion"), wanted.get("uid"))
        self.end(target.key, current, options)
        return current

    def end(self, key: Key, content: Object, options: Object) -> None:
        """Delete an object as a client does: its finalizers, and whoever ends it, are waited for."""
        graceful = key.kind.name in self.store.graceful and options.get("gracePeriodSeconds") != 0
        if content["metadata"].get("finalizers") or graceful:
            if "deletionTimestamp" not in content["metadata"]:
                content["metadata"] |= {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
                if "generation" in content["metadata"]:
                    content["metadata"]["generation"] += 1
                self.store.put(key, content)
            return
        self.remove(key)

    def remove(self, key: Key) -> None:
        """Remove an object for good."""
        if key.kind.name == "CustomResourceDefinition" and (definition := self.store.get(key)) is not None:
            for kind in defined(definition):
                self.kinds.remove(kind)
        self.store.delete(key)


def _namespace(kinds: Kinds, name: str) -> Key:
    return Key(kind=kinds.named("v1", "Namespace"), namespace="", name=name)


def _refusal(target: Target, error: RefusedError) -> FailedError:
    if error.unread:
        return FailedError(400, "BadRequest", f"{target.kind.name} can't be handled: strict decoding error: {error}")
    kind = f"{target.kind.name}.{target.kind.group}".removesuffix(".")
    more = details(target.kind.group, target.kind.name, target.name, error.causes)
    return FailedError(422, "Invalid", f'{kind} "{target.name}" is invalid: {error}', more)


def _meaning(content: Object) -> Object:
    return {name: value for name, value in content.items() if name not in {"metadata", "status"}}
