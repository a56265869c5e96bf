"""Who may read a Secret, by rendered Roles, bindings and pods.

There are three ways: the API server gives it to whoever may `get`, `list` or `watch` it, and shows it to whoever may patch or delete it; a pod mounts it, so that whoever may make or
change pods of its namespace may read all of that; and whoever may give rights, or act as others, may have any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from support.manifests import Object, of_kind, pod_templates

# What is patched, or deleted step by step, is in the answer.
_READS = {"get", "list", "watch", "patch", "delete", "deletecollection"}
_WRITES = {"create", "update", "patch"}
_MAKE_PODS = {
    ("", "pods"),
    ("", "podtemplates"),
    ("", "replicationcontrollers"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
}
_INTO_PODS = {("", "pods/attach"), ("", "pods/ephemeralcontainers"), ("", "pods/exec"), ("", "pods/proxy")}
_GIVE_RIGHTS = {
    ("", "serviceaccounts/token"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
}
_AS_OTHERS = {"bind", "escalate", "impersonate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Who may read one Secret.

    Attributes:
        asking: Subjects to whom the API server gives it.
        making: Subjects that may make or enter pods, which may mount it.
        ruling: Subjects that may give themselves either.
        mounting: Workloads whose pods have it.
    """

    asking: frozenset[str] = frozenset()
    making: frozenset[str] = frozenset()
    ruling: frozenset[str] = frozenset()
    mounting: frozenset[str] = frozenset()


def readers(objects: Iterable[Object], namespace: str, secret: str) -> Readers:
    """Return who may read a Secret."""
    objects = tuple(objects)
    granted = list(_granted(objects, namespace))
    return Readers(
        asking=frozenset(who for who, rule in granted if _names(rule, {("", "secrets")}, _READS, secret)),
        making=frozenset(
            who
            for who, rule in granted
            if _names(rule, _MAKE_PODS, _WRITES) or _names(rule, _INTO_PODS, {"create", "get"})
        ),
        ruling=frozenset(
            who
            for who, rule in granted
            if _names(rule, _GIVE_RIGHTS, _WRITES) or _AS_OTHERS & set(rule["verbs"]) or "*" in rule["verbs"]
        ),
        mounting=frozenset(
            f"{workload['kind']} {workload['metadata']['name']}"
            for workload, template in pod_templates(objects)
            if workload["metadata"]["namespace"] == namespace and secret in set(mounted(template))
        ),
    )


def mounted(template: Object) -> Iterator[str]:
    """Yield the Secrets that a pod has: in volumes, and in variables."""
    spec = template["spec"]
    for volume in spec.get("volumes", []):
        for source in volume.get("projected", {}).get("sources", [volume]):
            if "secret" in source:
                yield source["secret"].get("secretName") or source["secret"]["name"]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield variable["valueFrom"]["secretKeyRef"]["name"]
        yield from (each["secretRef"]["name"] for each in container.get("envFrom", []) if "secretRef" in each)


def _granted(objects: tuple[Object, ...], namespace: str) -> Iterator[tuple[str, Object]]:
    """Yield each subject with each rule that holds for it in a namespace."""
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        where = binding["metadata"].get("namespace")
        if binding["kind"] == "RoleBinding" and where != namespace:
            continue
        for role in of_kind(objects, binding["roleRef"]["kind"]):
            local = role["kind"] == "Role" and role["metadata"].get("namespace") != where
            if role["metadata"]["name"] == binding["roleRef"]["name"] and not local:
                for subject in binding["subjects"]:
                    who = f"{subject['kind']} {subject.get('namespace', where)}/{subject['name']}"
                    yield from ((who, rule) for rule in role["rules"])


def _names(rule: Object, what: set[tuple[str, str]], verbs: set[str], name: str = "") -> bool:
    """Tell whether a rule lets one of these verbs at one of these resources; of one object, if it has a name."""
    groups, resources = set(rule.get("apiGroups", [])), set(rule.get("resources", []))
    if name and rule.get("resourceNames") and name not in rule["resourceNames"]:
        return False
    meant = any(
        {group, "*"} & groups and {resource, "*", f"*/{resource.partition('/')[2]}"} & resources
        for group, resource in what
    )
    return meant and bool({*verbs, "*"} & set(rule["verbs"]))
