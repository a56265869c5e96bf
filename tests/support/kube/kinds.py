"""Kinds of objects that the server knows: the usual ones, and those that a CustomResourceDefinition adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# What has a number of replicas of its own.
SCALED = ("Deployment", "StatefulSet")
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind, as its URL and its objects name it."""

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool = True
    status: bool = False
    short: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = field(default=None, hash=False, compare=False)

    @property
    def api_version(self) -> str:
        """As objects have it."""
        return f"{self.group}/{self.version}" if self.group else self.version


def _core(plural: str, name: str, **more: Any) -> Kind:
    return Kind(group="", version="v1", plural=plural, name=name, **more)


BUILT_IN = (
    _core("namespaces", "Namespace", namespaced=False, status=True),
    _core("nodes", "Node", namespaced=False, status=True),
    _core("pods", "Pod", status=True),
    _core("services", "Service", status=True),
    _core("serviceaccounts", "ServiceAccount"),
    _core("secrets", "Secret"),
    _core("configmaps", "ConfigMap"),
    _core("events", "Event"),
    Kind(group="apps", version="v1", plural="deployments", name="Deployment", status=True, short=("deploy",)),
    Kind(group="apps", version="v1", plural="replicasets", name="ReplicaSet", status=True, short=("rs",)),
    Kind(group="apps", version="v1", plural="statefulsets", name="StatefulSet", status=True),
    Kind(group="batch", version="v1", plural="jobs", name="Job", status=True),
    Kind(
        group="autoscaling",
        version="v2",
        plural="horizontalpodautoscalers",
        name="HorizontalPodAutoscaler",
        status=True,
    ),
    Kind(group="policy", version="v1", plural="poddisruptionbudgets", name="PodDisruptionBudget", status=True),
    Kind(group="coordination.k8s.io", version="v1", plural="leases", name="Lease"),
    Kind(group="networking.k8s.io", version="v1", plural="networkpolicies", name="NetworkPolicy"),
    Kind(group="rbac.authorization.k8s.io", version="v1", plural="roles", name="Role"),
    Kind(group="rbac.authorization.k8s.io", version="v1", plural="rolebindings", name="RoleBinding"),
    Kind(group="rbac.authorization.k8s.io", version="v1", plural="clusterroles", name="ClusterRole", namespaced=False),
    Kind(
        group="rbac.authorization.k8s.io",
        version="v1",
        plural="clusterrolebindings",
        name="ClusterRoleBinding",
        namespaced=False,
    ),
    Kind(
        group="apiextensions.k8s.io",
        version="v1",
        plural="customresourcedefinitions",
        name="CustomResourceDefinition",
        namespaced=False,
        status=True,
    ),
)


def defined(definition: Mapping[str, Any]) -> Iterable[Kind]:
    """Yield the kinds that a CustomResourceDefinition adds, one a served version."""
    spec = definition["spec"]
    for version in spec["versions"]:
        if version["served"]:
            yield Kind(
                group=spec["group"],
                version=version["name"],
                plural=spec["names"]["plural"],
                name=spec["names"]["kind"],
                namespaced=spec["scope"] == "Namespaced",
                status="status" in version.get("subresources", {}),
                short=tuple(spec["names"].get("shortNames", ())),
                schema=version["schema"]["openAPIV3Schema"],
            )


class Kinds:
    """What there is at the moment."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        for kind in BUILT_IN:
            self.add(kind)

    def add(self, kind: Kind) -> None:
        """Add a kind, or put it in the place of its predecessor."""
        self._kinds[kind.group, kind.version, kind.plural] = kind

    def remove(self, kind: Kind) -> None:
        """Take a kind away."""
        self._kinds.pop((kind.group, kind.version, kind.plural), None)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return a kind by its URL."""
        return self._kinds.get((group, version, plural))

    def named(self, api_version: str, name: str) -> Kind:
        """Return a kind by what its objects say."""
        for kind in self._kinds.values():
            if (kind.api_version, kind.name) == (api_version, name):
                return kind
        raise KeyError(f"{api_version} {name}")

    def all(self) -> list[Kind]:
        """Return every kind."""
        return list(self._kinds.values())

    def groups(self) -> dict[str, Any]:
        """Return what /apis answers."""
        groups: dict[str, list[str]] = {}
        for group, version, _ in self._kinds:
            if group and version not in groups.setdefault(group, []):
                groups[group].append(version)
        listed = [
            {"name": group, "versions": [_version(group, each) for each in versions]}
            for group, versions in sorted(groups.items())
        ]
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [each | {"preferredVersion": each["versions"][0]} for each in listed],
        }

    def resources(self, group: str, version: str) -> dict[str, Any] | None:
        """Return what /apis/<group>/<version> answers; None if there is no such thing."""
        kinds = [kind for kind in self._kinds.values() if (kind.group, kind.version) == (group, version)]
        if not kinds:
            return None
        listed = []
        for kind in kinds:
            one = {
                "name": kind.plural,
                "singularName": kind.name.lower(),
                "kind": kind.name,
                "namespaced": kind.namespaced,
                "shortNames": list(kind.short),
                "verbs": VERBS,
            }
            listed.append(one)
            if kind.status:
                listed.append(one | {"name": f"{kind.plural}/status", "verbs": ["get", "patch", "update"]})
            if kind.name in SCALED:
                scale = {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
                listed.append(one | scale | {"name": f"{kind.plural}/scale", "shortNames": []})
            if kind.name == "Pod":
                eviction = {"group": "policy", "version": "v1", "kind": "Eviction"}
                listed.append(one | eviction | {"name": "pods/eviction", "verbs": ["create"], "shortNames": []})
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": listed,
        }


def _version(group: str, version: str) -> dict[str, str]:
    return {"groupVersion": f"{group}/{version}", "version": version}
