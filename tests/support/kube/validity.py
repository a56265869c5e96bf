"""What the server asks of an object beyond its schema: of names and labels, and of fields that have to do with one another."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from support.kube.causes import FORBIDDEN, INVALID, REQUIRED, Cause
from support.kube.kinds import Kind

Object = dict[str, Any]
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_FINALIZERS = frozenset({"foregroundDeletion", "orphan", "kubernetes"})
# Of these, names may have colons: system:node.
_FREE = "rbac.authorization.k8s.io"


def flaws(kind: Kind, content: Object, before: Object | None) -> Iterator[Cause]:
    """Yield what is wrong.

    Args:
        kind: Of the object.
        content: As it is to be.
        before: As it was until now; None of a new one.
    """
    yield from _of_metadata(kind, content["metadata"], before)
    if kind.name in {"Secret", "ConfigMap"}:
        yield from _of_data(content, before)
    if kind.name == "Deployment":
        yield from _of_deployment(content["spec"])
    if kind.name in {"Deployment", "StatefulSet"} and before is not None:
        was, is_now = before["spec"].get("selector"), content["spec"].get("selector")
        if was != is_now:
            yield _immutable("spec.selector", is_now)
    if kind.name == "Service" and before is not None:
        was, is_now = before["spec"].get("clusterIP"), content["spec"].get("clusterIP")
        if was and was != is_now:
            told = f"Invalid value: {json.dumps([is_now])}: may not change once set"
            yield Cause("spec.clusterIPs[0]", INVALID, told)


def unreadable(content: Object) -> str:
    """Return what can't be read of a Secret, if something can't; the others are read by their schemas alone."""
    try:
        for value in (content.get("data") or {}).values():
            base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return "illegal base64 data"
    return ""


def _of_metadata(kind: Kind, metadata: Object, before: Object | None) -> Iterator[Cause]:
    name = metadata["name"]
    if before is None and kind.group != _FREE and not _SUBDOMAIN.fullmatch(name):
        told = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        yield Cause("metadata.name", INVALID, f"Invalid value: {json.dumps(name)}: {told}")
    for value in (metadata.get("labels") or {}).values():
        if len(value) > 63 or not _LABEL.fullmatch(value):
            told = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
            yield Cause("metadata.labels", INVALID, f"Invalid value: {json.dumps(value)}: {told}")
    finalizers = metadata.get("finalizers") or []
    for number, each in enumerate(finalizers):
        if "/" not in each and each not in _FINALIZERS:
            told = f"Invalid value: {json.dumps(each)}: name is neither a standard finalizer name nor is it fully qualified"
            yield Cause(f"metadata.finalizers[{number}]", INVALID, told)
    if before is not None and "deletionTimestamp" in before["metadata"]:
        added = [each for each in finalizers if each not in before["metadata"].get("finalizers", [])]
        if added:
            told = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers"
            listed = ", ".join(map(json.dumps, added))
            yield Cause("metadata.finalizers", FORBIDDEN, f"{told} []string{{{listed}}}")


def _of_data(content: Object, before: Object | None) -> Iterator[Cause]:
    for key in content.get("data") or {}:
        if not _DATA_KEY.fullmatch(key):
            told = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
            yield Cause(f"data[{key}]", INVALID, f"Invalid value: {json.dumps(key)}: {told}")
    if before is None:
        return
    if before.get("type") != content.get("type"):
        yield _immutable("type", content.get("type"))
    if before.get("immutable"):
        if not content.get("immutable"):
            yield Cause("immutable", FORBIDDEN, "Forbidden: field is immutable when `immutable` is set")
        if before.get("data") != content.get("data"):
            yield Cause("data", FORBIDDEN, "Forbidden: field is immutable when `immutable` is set")


def _of_deployment(spec: Object) -> Iterator[Cause]:
    deadline = spec.get("progressDeadlineSeconds", 600)
    if deadline <= spec.get("minReadySeconds", 0):
        told = f"Invalid value: {deadline}: must be greater than minReadySeconds"
        yield Cause("spec.progressDeadlineSeconds", INVALID, told)
    labels = spec["template"].get("metadata", {}).get("labels") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    if "selector" not in spec:
        yield Cause("spec.selector", REQUIRED, "Required value")
    elif not wanted.items() <= labels.items():
        told = f"Invalid value: {json.dumps(labels)}: `selector` does not match template `labels`"
        yield Cause("spec.template.metadata.labels", INVALID, told)


def _immutable(field: str, value: Any) -> Cause:
    return Cause(field, INVALID, f"Invalid value: {json.dumps(value)}: field is immutable")
