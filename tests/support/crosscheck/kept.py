"""References: what may be missing is optional, and nothing else is; settings of everybody are read by everybody."""

from __future__ import annotations

from collections.abc import Iterator

from support.crosscheck.cluster import FIELDS, Cluster, Container
from support.crosscheck.made import MAY_BE_MISSING
from support.crosscheck.programs import read_by
from support.manifests import Object

# Of a projected token, in seconds: the API server refuses shorter ones, and kubelet renews them.
_TOKEN_S = (600, 86_400)


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with references to ConfigMaps, Secrets, roles and accounts."""
    for each in cluster.containers:
        for said in (*_optional(each), *_whole(each), *_modes(each), *_claims(each)):
            yield f"{each.who}: {said}"
    yield from _bound(cluster)


def _references(container: Container) -> Iterator[tuple[str, Object, str]]:
    """Yield the kind, the reference and the name of whatever a container and its pod refer to."""
    for source in container.spec.get("envFrom", []):
        yield "configMap", source["configMapRef"], source["configMapRef"]["name"]
    for variable in container.spec.get("env", []):
        for kind, reference in variable.get("valueFrom", {}).items():
            if kind != "fieldRef":
                yield kind.removesuffix("KeyRef"), reference, reference["name"]
    for volume in container.volumes.values():
        for source in volume.get("projected", {}).get("sources", [volume]):
            for kind in ("configMap", "secret"):
                if kind in source:
                    yield kind, source[kind], source[kind].get("secretName") or source[kind]["name"]


def _optional(container: Container) -> Iterator[str]:
    for kind, reference, name in _references(container):
        optional = reference.get("optional", False)
        if optional != ((kind, name) in MAY_BE_MISSING):
            yield f"{kind} {name} is {'optional' if optional else 'needed'}, and should not be"


def _whole(container: Container) -> Iterator[str]:
    """Each program of ours that asks for what a ConfigMap of settings says reads that ConfigMap."""
    if container.image is None:
        return
    read = [source["configMapRef"]["name"] for source in container.spec.get("envFrom", [])]
    known = {"settings", "settings-otel"} if container.serves else set()
    if not container.serves and "EARSHOT_NATS_CA" in read_by(container):
        known = {"settings"}
    if set(read) != known or len(read) != len(known):
        yield f"it reads the settings of {read}"


def _modes(container: Container) -> Iterator[str]:
    for name, volume in container.volumes.items():
        for kind in ("secret", "projected", "configMap"):
            mode = volume.get(kind, {}).get("defaultMode", 0o440)
            if mode & ~0o550 or not mode & 0o040:
                yield f"volume {name}: mode {mode:o} is not its group's to read"
        for source in volume.get("projected", {}).get("sources", []):
            least, most = _TOKEN_S
            if not least <= source.get("serviceAccountToken", {}).get("expirationSeconds", least) <= most:
                yield f"volume {name}: a token is not as short-lived"
            for item in source.get("downwardAPI", {}).get("items", []):
                if item["fieldRef"]["fieldPath"] not in FIELDS or not item["fieldRef"]["fieldPath"].endswith(
                    item["path"]
                ):
                    yield f"volume {name}: {item['path']} is {item['fieldRef']['fieldPath']}"


def _claims(container: Container) -> Iterator[str]:
    claims = {
        each["metadata"]["name"]: each["spec"]["accessModes"]
        for each in container.cluster.of_kind("PersistentVolumeClaim")
        if each["metadata"]["namespace"] == container.namespace
    }
    for name, volume in container.volumes.items():
        claim = volume.get("persistentVolumeClaim")
        # Pods of all workloads are on several nodes.
        if claim is not None and not {"ReadWriteMany"} & set(claims.get(claim["claimName"], [])):
            yield f"volume {name}: there is no claim {claim['claimName']} that nodes share"


def _bound(cluster: Cluster) -> Iterator[str]:
    there = {
        (each["kind"], each["metadata"]["namespace"], each["metadata"]["name"])
        for each in cluster.of_kind("Role", "ServiceAccount")
    }
    for binding in cluster.of_kind("RoleBinding"):
        who, namespace = f"RoleBinding {binding['metadata']['name']}", binding["metadata"]["namespace"]
        role = binding["roleRef"]
        if role["apiGroup"] != "rbac.authorization.k8s.io" or (role["kind"], namespace, role["name"]) not in there:
            yield f"{who}: there is no {role}"
        for subject in binding["subjects"]:
            if (subject["kind"], subject["namespace"], subject["name"]) not in there:
                yield f"{who}: there is no {subject}"
