"""Who may do what: Roles and ClusterRoles with their bindings, as the server holds them, and a log of what was asked.

A token is `sa:<namespace>:<name>`, for that service account, or `admin`, who may do everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.kube.kinds import Kinds
from support.kube.store import Store

_RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as a rule would allow it; `name` is empty for a whole collection."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str

    @property
    def right(self) -> tuple[str, str, str]:
        """Verb, group and resource: what a Role lists."""
        return self.verb, self.group, self.resource


def rights(role: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return every verb, group and resource of a role."""
    return {
        (verb, group, resource)
        for rule in role.get("rules", [])
        for verb in rule["verbs"]
        for group in rule.get("apiGroups", [])
        for resource in rule.get("resources", [])
    }


class Access:
    """Looks rules up in the store."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store = store
        self._kinds = kinds
        self.log: list[Asked] = []

    def allowed(self, asked: Asked) -> bool:
        """Note a request and tell whether it may be done."""
        self.log.append(asked)
        if asked.user == "admin":
            return True
        return any(_covers(rule, asked) for rule in self._rules(asked.user, asked.namespace))

    def _rules(self, user: str, namespace: str) -> Iterator[dict[str, Any]]:
        _, _, account = user.partition(":")
        home, _, name = account.partition(":")
        for kind in ("RoleBinding", "ClusterRoleBinding"):
            within = namespace if kind == "RoleBinding" else ""
            if kind == "RoleBinding" and not namespace:
                continue
            for key, binding in self._store.of(self._kinds.named(_RBAC, kind), within):
                for subject in binding.get("subjects", []):
                    where = subject.get("namespace", key.namespace)
                    if (subject["kind"], where, subject["name"]) == ("ServiceAccount", home, name):
                        yield from self._role(binding["roleRef"], key.namespace)

    def _role(self, reference: dict[str, str], namespace: str) -> list[dict[str, Any]]:
        kind = self._kinds.named(_RBAC, reference["kind"])
        within = namespace if reference["kind"] == "Role" else ""
        for key, role in self._store.of(kind, within):
            if key.name == reference["name"]:
                return list(role.get("rules", []))
        return []


def _covers(rule: dict[str, Any], asked: Asked) -> bool:
    def lists(field: str, value: str) -> bool:
        return value in rule.get(field, []) or "*" in rule.get(field, [])

    named = not rule.get("resourceNames") or asked.name in rule["resourceNames"]
    return (
        named and lists("verbs", asked.verb) and lists("apiGroups", asked.group) and lists("resources", asked.resource)
    )
