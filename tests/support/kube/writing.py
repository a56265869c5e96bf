"""Writes: what each verb makes of an object, and when it is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from support.kube import managers
from support.kube.admission import RefusedError, admit
from support.kube.asking import FailedError, Target, now
from support.kube.causes import INVALID, REQUIRED, Cause, details
from support.kube.ending import Ending
from support.kube.kinds import Kinds, defined
from support.kube.patches import PatchError, json_patch, merge_patch, strategic_patch
from support.kube.store import Object, Store, copied

_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "generation", "namespace", "name")
_UNKNOWN = "the body of the request was in an unknown format - accepted media types include: "


class Writing:
    """Writes into a store."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self.store = store
        self.kinds = kinds
        self.ending = Ending(store, kinds)

    def present(self, target: Target) -> Object:
        """Return an object.

        Raises:
            FailedError: It is not there.
        """
        found = self.store.get(target.key)
        if found is None:
            raise target.refused(404, "NotFound", f'{target.resource} "{target.name}" not found')
        return found

    def create(self, target: Target, content: Object, manager: str = "", *, dry: bool = False) -> Object:
        """Store a new object.

        Raises:
            FailedError: It is there already, or not valid.
        """
        where = self._place(target, content)
        return self._store(where, content, None, manager, dry=dry)

    def _place(self, target: Target, content: Object) -> Target:
        """Give a new object what every one has; return where it is to be."""
        if content.get("kind", target.kind.name) != target.kind.name:
            message = f"{content['kind']} cannot be handled as a {target.kind.name}: unknown conversion"
            raise FailedError(400, "BadRequest", message)
        metadata = content.setdefault("metadata", {})
        if target.kind.namespaced and metadata.get("namespace", target.namespace) != target.namespace:
            message = "the namespace of the provided object does not match the namespace sent on the request"
            raise FailedError(400, "BadRequest", message)
        name = metadata.get("name") or f"{metadata.get('generateName', '')}{uuid.uuid4().hex[:5]}"
        where = replace(target, name=name, sub="")
        if not metadata.get("name") and not metadata.get("generateName"):
            nameless = Cause("metadata.name", REQUIRED, "Required value: name or generateName is required")
            raise _refusal(replace(where, name=""), RefusedError([nameless]))
        self.ending.admits(where)
        if (there := self.store.get(where.key)) is not None:
            told = "object is being deleted: " if "deletionTimestamp" in there["metadata"] else ""
            raise where.refused(409, "AlreadyExists", f'{told}{target.resource} "{name}" already exists')
        if metadata.get("resourceVersion"):
            raise FailedError(500, "", "resourceVersion should not be set on objects to be created")
        metadata |= {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": now()}
        if target.kind.status:
            content.pop("status", None)
        if "spec" in content:
            metadata["generation"] = 1
        content |= {"kind": target.kind.name, "apiVersion": target.kind.api_version}
        if target.kind.name == "Namespace":
            content |= {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        return where

    def update(self, target: Target, content: Object, manager: str = "", *, dry: bool = False) -> Object:
        """Replace an object.

        Raises:
            FailedError: It is not there, is another one, or not valid.
        """
        current = self.present(target)
        metadata = content.setdefault("metadata", {})
        if target.kind.schema is not None and not metadata.get("resourceVersion"):
            blind = Cause("metadata.resourceVersion", INVALID, "Invalid value: 0: must be specified for an update")
            raise _refusal(target, RefusedError([blind]), target.resource)
        if metadata.get("uid") not in {None, "", current["metadata"]["uid"]}:
            self._late(target)
        return self._replace(target, current, content, manager, dry=dry)

    def rewrite(self, target: Target, content: Object) -> Object:
        """Replace an object, whatever its version.

        Raises:
            FailedError: It is not there, or not valid.
        """
        current = self.present(target)
        metadata = content["metadata"] | {"resourceVersion": "", "uid": ""}
        return self._replace(target, current, content | {"metadata": metadata}, "", dry=False)

    def patch(self, target: Target, body: Any, how: str, manager: str, *, dry: bool, force: bool = False) -> Object:
        """Change an object by one of the four ways.

        Raises:
            FailedError: It is not there, is another one, or not valid.
        """
        if "apply-patch" in how:
            return self._apply(target, body, manager, dry=dry, force=force)
        ways = {"application/json-patch+json": json_patch, "application/merge-patch+json": merge_patch}
        if target.kind.schema is None:
            ways["application/strategic-merge-patch+json"] = strategic_patch
        if how not in ways:
            known = ", ".join([*ways, "application/apply-patch+yaml"])
            raise FailedError(415, "UnsupportedMediaType", f"{_UNKNOWN}{known}")
        current = self.present(target)
        try:
            content = ways[how](copied(current), body)
        except PatchError as error:
            raise FailedError(
                422, "Invalid", "the server rejected our request due to an error in our request"
            ) from error
        return self._replace(target, current, content, manager, dry=dry)

    def scale(self, target: Target, body: Object | None, how: str, manager: str, *, dry: bool) -> Object:
        """Return how many replicas a workload has, after a change of it if there is one.

        Raises:
            FailedError: It is not there, is another one, or the number is none.
        """
        current = self.present(target)
        if body is not None:
            told = merge_patch(_scale(current), body) if "merge-patch" in how else body
            content = copied(current)
            content["spec"]["replicas"] = told["spec"].get("replicas", 0)
            content["metadata"]["resourceVersion"] = told.get("metadata", {}).get("resourceVersion", "")
            current = self._replace(target, current, content, manager, dry=dry)
        return _scale(current)

    def _apply(self, target: Target, body: Object, manager: str, *, dry: bool, force: bool) -> Object:
        told = body.get("metadata", {})
        if not manager:
            nobody = Cause("fieldManager", REQUIRED, "Required value: is required for apply patch")
            more = details("meta.k8s.io", "PatchOptions", "", [nobody])
            raise FailedError(422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: {nobody}', more)
        if told.get("managedFields"):
            raise FailedError(400, "BadRequest", "metadata.managedFields must be nil")
        current = self.store.get(target.key)
        if current is None and target.sub:
            self.present(target)
        if current is None and told.get("uid"):
            mismatch = (
                f"uid mismatch: the provided object specified uid {told['uid']}, and no existing object was found"
            )
            message = f'Operation cannot be fulfilled on {target.resource} "{target.name}": {mismatch}'
            raise target.refused(409, "Conflict", message)
        if current is None:
            made = copied(body) | {"kind": target.kind.name, "apiVersion": target.kind.api_version}
            made["metadata"] = {name: value for name, value in told.items() if name != "resourceVersion"}
            self._named(target, made)
            where = self._place(target, made)
            return self._store(where, managers.created_by(made, manager, ""), None, None, dry=dry)
        try:
            made = managers.apply(copied(current), body, manager, target.sub, force=force)
        except managers.ConflictError as error:
            more = details("", "", "", error.causes)
            raise FailedError(409, "Conflict", str(error), more) from error
        said = {name: told[name] for name in ("uid", "resourceVersion", "name") if told.get(name)}
        return self._replace(target, current, made | {"metadata": made["metadata"] | said}, None, dry=dry)

    def _named(self, target: Target, content: Object) -> None:
        name = content["metadata"].setdefault("name", target.name)
        if name != target.name:
            message = f"the name of the object ({name}) does not match the name on the URL ({target.name})"
            raise FailedError(400, "BadRequest", message)

    def _late(self, target: Target) -> None:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        message = f'Operation cannot be fulfilled on {target.resource} "{target.name}": {why}'
        raise target.refused(409, "Conflict", message)

    def _replace(self, target: Target, current: Object, content: Object, manager: str | None, *, dry: bool) -> Object:
        """Put an object in the place of one, unless it says that it is another one: by its name, its id or its version."""
        metadata = content.setdefault("metadata", {})
        self._named(target, content)
        if metadata.get("resourceVersion") not in {None, "", current["metadata"]["resourceVersion"]}:
            self._late(target)
        if metadata.get("uid") not in {None, "", current["metadata"]["uid"]}:
            # A wrong id is a wrong field, not a conflict.
            wrong = f'Invalid value: "{metadata["uid"]}": field is immutable'
            raise _refusal(target, RefusedError([Cause("metadata.uid", INVALID, wrong)]))
        if target.sub == "status":
            said = {"managedFields": metadata["managedFields"]} if "managedFields" in metadata else {}
            status = content.get("status", {})
            content = copied(current) | {"status": status}
            metadata = content["metadata"] = content["metadata"] | said
        elif target.kind.status:
            content.pop("status", None)
            if "status" in current:
                content["status"] = current["status"]
        metadata |= {name: current["metadata"][name] for name in _KEPT if name in current["metadata"]}
        metadata["resourceVersion"] = current["metadata"]["resourceVersion"]
        return self._store(target, content, current, manager, dry=dry)

    def _store(
        self, target: Target, content: Object, current: Object | None, manager: str | None, *, dry: bool
    ) -> Object:
        """Store an object; `manager` is None where its managedFields are right already."""
        content |= {"kind": target.kind.name, "apiVersion": target.kind.api_version}
        if target.kind.namespaced:
            content["metadata"]["namespace"] = target.namespace
        if content == current:
            return content
        try:
            content = admit(target.kind, content, current)
        except RefusedError as error:
            raise _refusal(target, error) from error
        if manager is not None:
            managers.written(content, current, manager, target.sub)
        if current is not None and "generation" in current["metadata"] and _meaning(content) != _meaning(current):
            content["metadata"]["generation"] = current["metadata"]["generation"] + 1
        if dry or content == current:
            return content
        ending = "deletionTimestamp" in content["metadata"] and not content["metadata"].get("finalizers")
        if ending and target.kind.name not in {"Namespace", *self.store.graceful}:
            self.store.put(target.key, content)
            self.remove(target)
            return content
        stored = self.store.put(target.key, content)
        if target.kind.name == "CustomResourceDefinition":
            self._define(stored)
        self.store.collect()
        return stored

    def _define(self, definition: Object) -> None:
        for kind in defined(definition):
            self.kinds.add(kind)

    def delete(
        self, target: Target, options: Object, selected: Callable[[Object], bool] | None, *, dry: bool = False
    ) -> Object:
        """Delete an object, or those of a collection that are selected.

        Raises:
            FailedError: It is not there, or not as the options say.
        """
        done = {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}
        if selected is not None:
            for key, content in list(self.store.of(target.kind, target.namespace)):
                if selected(content) and not dry:
                    self.ending.end(key, content, options)
            return done
        current = self.present(target)
        wanted = options.get("preconditions", {})
        for field, called in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            if wanted.get(field) not in {None, "", current["metadata"][field]}:
                told = f"the {called} in the precondition ({wanted[field]}) does not match the {called} in record"
                message = f'Operation cannot be fulfilled on {target.resource} "{target.name}": {told}'
                raise target.refused(409, "Conflict", message)
        if not dry:
            self.ending.end(target.key, current, options)
        left = self.store.get(target.key)
        named = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
        named = {name: value for name, value in named.items() if value}
        return left if left is not None else done | {"details": named | {"uid": current["metadata"]["uid"]}}

    def remove(self, target: Target) -> None:
        """Remove an object for good."""
        self.ending.remove(target.key)


def _scale(content: Object) -> Object:
    metadata = content["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion")},
        "spec": {"replicas": content["spec"]["replicas"]},
        "status": {"replicas": content.get("status", {}).get("replicas", 0)},
    }


def _refusal(target: Target, error: RefusedError, called: str = "") -> FailedError:
    if error.unread:
        return FailedError(400, "BadRequest", f"{target.kind.name} can't be handled: strict decoding error: {error}")
    kind = called or f"{target.kind.name}.{target.kind.group}".removesuffix(".")
    more = details(target.kind.group, called or target.kind.name, target.name, error.causes)
    return FailedError(422, "Invalid", f'{kind} "{target.name}" is invalid: {error}', more)


def _meaning(content: Object) -> Object:
    meant = {name: value for name, value in content.items() if name not in {"metadata", "status"}}
    # By annotations, too, `kubectl rollout` knows one.
    return meant | {"annotations": content["metadata"].get("annotations")} if content["kind"] == "Deployment" else meant
