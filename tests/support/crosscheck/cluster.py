"""The objects of one cluster, and its containers with what their processes see: variables, mounts, files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import PurePosixPath
from typing import Any

import yaml

from images.dockerfiles import ENVIRONMENT
from images.workspace import Distribution, images
from support.crosscheck.made import MADE_IN
from support.manifests import DEPLOY, Object, of_kind, pod_templates, render

# What the downward API says of a pod, for instance.
FIELDS = {
    "metadata.name": "pod-0",
    "metadata.namespace": "earshot",
    "status.podIP": "10.0.0.9",
}
# Secrets are nobody's here: a value that every setting takes.
_SECRET = "0123456789abcdef"  # noqa: S105
_CLAIM = "claim"


@cache
def overlays_of(overlay: str) -> tuple[Object, ...]:
    """Return everything that a cluster holds: an overlay and what is apart, in folders of it. Not to be changed."""
    folder = DEPLOY / "overlays" / overlay
    parts = sorted(path.parent.relative_to(DEPLOY) for path in folder.rglob("kustomization.yaml"))
    return tuple(content for part in parts for content in render(part.as_posix()))


@cache
def parsed(text: str) -> Any:
    """Return what a file in YAML says; not to be changed."""
    return yaml.safe_load(text)


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a container has a volume.

    Attributes:
        path: Absolute.
        files: Names of the files in it; None: whatever is written there.
        read_only: Whether the container can't write to it.
        kept: Whether it is there before the pod.
    """

    path: PurePosixPath
    files: frozenset[str] | None
    read_only: bool
    kept: bool


@dataclass(frozen=True)
class Container:
    """A container of a pod, with what its process sees.

    Attributes:
        workload: The object that makes its pods.
        pod: Their specification.
        spec: The container's own.
        cluster: All objects.
    """

    workload: Object
    pod: Object
    spec: Object
    cluster: Cluster

    @property
    def who(self) -> str:
        """Whom complaints are about."""
        return f"{self.workload['kind']} {self.workload['metadata']['name']}"

    @property
    def namespace(self) -> str:
        """Where its pods are."""
        return str(self.workload["metadata"]["namespace"])

    @cached_property
    def image(self) -> Distribution | None:
        """What is in its image; None: not ours."""
        found = re.fullmatch(r"(?:.*/)?earshot/([a-z-]+):[\w.-]+", self.spec["image"])
        return images().get(found[1]) if found else None

    @property
    def serves(self) -> bool:
        """Whether it runs what its image of ours runs by itself: a service."""
        return self.image is not None and "command" not in self.spec

    @cached_property
    def told(self) -> dict[str, str]:
        """Return variables that the manifest gives it, with the values that they will have."""
        found: dict[str, str] = {}
        for source in self.spec.get("envFrom", []):
            found |= self.cluster.config(self.namespace, source["configMapRef"]["name"])
        for each in self.spec.get("env", []):
            value = each["value"] if "value" in each else self._referred(each["valueFrom"])
            found[each["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), value)
        return found

    @cached_property
    def variables(self) -> dict[str, str]:
        """All of its variables: the image's, too."""
        brought = (
            {} if self.image is None or self.image.image is None else ENVIRONMENT | dict(self.image.image.environment)
        )
        return brought | self.told

    def _referred(self, value_from: Object) -> str:
        ((kind, reference),) = value_from.items()
        if kind == "fieldRef":
            return self.namespace if "namespace" in reference["fieldPath"] else FIELDS.get(reference["fieldPath"], "")
        if kind == "configMapKeyRef":
            return self.cluster.config(self.namespace, reference["name"]).get(reference["key"], "")
        return _SECRET

    @cached_property
    def command(self) -> list[str]:
        """What it is started with, as far as the manifest says; variables put in."""
        parts = [*self.spec.get("command", []), *self.spec.get("args", [])]
        return [re.sub(r"\$\((\w+)\)", lambda name: self.variables.get(name[1], name[0]), part) for part in parts]

    @cached_property
    def ports(self) -> dict[str, int]:
        """Ports by their names."""
        return {port["name"]: port["containerPort"] for port in self.spec.get("ports", [])}

    @cached_property
    def volumes(self) -> dict[str, Object]:
        """Volumes of its pods by name, claims made with them among them."""
        claims = {
            each["metadata"]["name"]: {_CLAIM: {}} for each in self.workload["spec"].get("volumeClaimTemplates", [])
        }
        return claims | {each["name"]: each for each in self.pod.get("volumes", [])}

    @cached_property
    def mounts(self) -> list[Mount]:
        """Where it has which volume."""
        found = []
        for mount in self.spec.get("volumeMounts", []):
            volume = self.volumes.get(mount["name"], {})
            files = self._files(volume)
            fixed = files is not None
            found.append(
                Mount(
                    PurePosixPath(mount["mountPath"]),
                    files,
                    read_only=fixed or mount.get("readOnly", False),
                    kept=fixed or _CLAIM in volume or "persistentVolumeClaim" in volume,
                )
            )
        return found

    def _files(self, volume: Object) -> frozenset[str] | None:
        sources = volume["projected"]["sources"] if "projected" in volume else [volume]
        found: set[str] = set()
        for source in sources:
            if "serviceAccountToken" in source:
                found.add(source["serviceAccountToken"]["path"])
            elif "downwardAPI" in source:
                found |= {item["path"] for item in source["downwardAPI"]["items"]}
            elif "configMap" in source or "secret" in source:
                found |= self._keys(source)
            else:
                return None
        return frozenset(found)

    def _keys(self, source: Object) -> set[str]:
        kind = "secret" if "secret" in source else "configMap"
        content = source[kind]
        if "items" in content:
            return {item["path"] for item in content["items"]}
        name = content.get("secretName") or content["name"]
        return self.cluster.keys(self.namespace, kind, name)

    def mounted(self, path: str) -> Mount | None:
        """Return the mount that a path is in, the innermost; None: it is the image's."""
        inside = [each for each in self.mounts if PurePosixPath(path).is_relative_to(each.path)]
        return max(inside, key=lambda each: len(each.path.parts), default=None)

    def configured(self) -> Iterator[tuple[PurePosixPath, str]]:
        """Yield the files that it mounts from ConfigMaps which are rendered."""
        for mount in self.spec.get("volumeMounts", []):
            volume = self.volumes.get(mount["name"], {})
            for source in volume.get("projected", {}).get("sources", [volume]):
                if "configMap" in source:
                    config = self.cluster.config(self.namespace, source["configMap"]["name"])
                    for key, text in config.items():
                        yield PurePosixPath(mount["mountPath"]) / key, text


class Cluster:
    """Everything that was rendered for one cluster.

    Args:
        objects: All of it.
    """

    def __init__(self, objects: tuple[Object, ...]) -> None:
        self.objects = objects
        self._configs = {
            (each["metadata"]["namespace"], each["metadata"]["name"]): each.get("data", {})
            for each in of_kind(objects, "ConfigMap")
        }
        self.containers = [
            Container(workload, template["spec"], container, self)
            for workload, template in pod_templates(objects)
            for container in (*template["spec"].get("initContainers", []), *template["spec"]["containers"])
        ]

    def of_kind(self, *kinds: str) -> list[Object]:
        """Return the objects of these kinds."""
        return of_kind(self.objects, *kinds)

    def config(self, namespace: str, name: str) -> Mapping[str, str]:
        """Return what a ConfigMap holds; nothing, if nobody rendered it."""
        return self._configs.get((namespace, name), {})

    @property
    def configs(self) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """All ConfigMaps by namespace and name."""
        return self._configs

    def keys(self, namespace: str, kind: str, name: str) -> set[str]:
        """Return the keys of a ConfigMap or a Secret, whoever makes it."""
        rendered = set(self.config(namespace, name)) if kind == "configMap" else set()
        return rendered | MADE_IN[namespace].get((kind, name), set())
