"""What a URL names, and what a request is told that can't be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from support.kube.kinds import SCALED, Kind, Kinds
from support.kube.store import Key


class FailedError(Exception):
    """A request that fails, with Kubernetes' reason."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def status(self) -> dict[str, Any]:
        """Return it as clients read it."""
        told = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": str(self),
        }
        return told | ({"details": self.details} if self.details else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a URL names."""

    kind: Kind
    namespace: str
    name: str
    sub: str

    @property
    def resource(self) -> str:
        """What messages call the kind: skills.earshot.dev."""
        return f"{self.kind.plural}.{self.kind.group}".removesuffix(".")

    def refused(self, code: int, reason: str, message: str) -> FailedError:
        """Return that something can't be done with the object, for programs to read, too."""
        named = {"name": self.name, "group": self.kind.group, "kind": self.kind.plural}
        return FailedError(code, reason, message, {name: value for name, value in named.items() if value})

    @property
    def key(self) -> Key:
        """Where the object is."""
        return Key(kind=self.kind, namespace=self.namespace, name=self.name)


def find_target(kinds: Kinds, parts: list[str]) -> Target:
    """Return what the parts of a path name.

    Raises:
        FailedError: Nothing.
    """
    missing = FailedError(404, "NotFound", "the server could not find the requested resource")
    if len(parts) > 2 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) > 3 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise missing
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    kind = kinds.find(group, version, rest[0])
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise missing
    name, sub = (*rest[1:], "", "")[:2]
    if sub and not (sub == "status" and kind.status) and not (sub == "scale" and kind.name in SCALED):
        raise missing
    return Target(kind=kind, namespace=namespace, name=name, sub=sub)


def now() -> str:
    """Return the present moment as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
