"""Paths: each leads to a file of a mounted volume, or to where the program may write; each volume is mounted, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from support.crosscheck.cluster import Cluster, Container
from support.crosscheck.programs import names, settings

_PATH = re.compile(r"/[\w./-]+")
_IN_CONFIG = re.compile(r'^\s*(?:pid_file|store_dir|log_file|cert_file|key_file|ca_file):\s*"([^"]+)"', re.MULTILINE)
_INCLUDED = re.compile(r'^\s*include\s+"([^"]+)"', re.MULTILINE)
# What programs read there; wherever else a path leads, they write.
_READ = {"EARSHOT_NATS_CREDENTIALS", "EARSHOT_NATS_CA", "EARSHOT_ASR_MANDARIN_MODEL", "EARSHOT_ASR_SHERPA_MODEL"}
_READ_FOLDERS = {"EARSHOT_OPERATOR_SIGNING_FOLDER": {"account", "seed"}}
# May be missing: without it there are no more models than the image has.
_MAY_BE_MISSING = {"EARSHOT_MODELS"}


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with paths and volumes."""
    asking = {
        (subject["namespace"], subject["name"])
        for binding in cluster.of_kind("RoleBinding", "ClusterRoleBinding")
        for subject in binding["subjects"]
    }
    for each in cluster.containers:
        for said in (*_volumes(each), *_variables(each), *_arguments(each), *_files(each)):
            yield f"{each.who}: {said}"
        entitled = (each.namespace, each.pod["serviceAccountName"]) in asking
        yield from (f"{each.who}: {said}" for said in _account(each, entitled=entitled))


def _volumes(container: Container) -> Iterator[str]:
    mounted = [each["name"] for each in container.spec.get("volumeMounts", [])]
    for name in sorted(set(mounted) ^ container.volumes.keys()):
        yield f"volume {name} is not mounted, or no volume is called so"
    places = [each["mountPath"] for each in container.spec.get("volumeMounts", [])]
    if len(set(places)) != len(places) or not all(_PATH.fullmatch(place) for place in places):
        yield f"mounted at {places}"
    for each in container.spec.get("volumeMounts", []):
        if "emptyDir" in container.volumes.get(each["name"], {}) and each.get("readOnly"):
            yield f"nobody can write to {each['mountPath']}, which is empty"
    context = container.pod.get("securityContext", {})
    if context.get("fsGroup") != context.get("runAsGroup"):
        yield "its group is not that of its volumes"


def _variables(container: Container) -> Iterator[str]:
    if container.image is None:
        return
    paths = {name for found in settings(container.image.name) for name in _path_fields(found)} | {
        "HOME",
        *_MAY_BE_MISSING,
    }
    for name, value in container.variables.items():
        if name not in paths or not value:
            continue
        if not _PATH.fullmatch(value):
            yield f"{name} is no absolute path: {value}"
        elif name in _READ:
            yield from _read(container, name, value)
        elif container.serves or name == "HOME":
            yield from _folder(container, name, value)


def _folder(container: Container, name: str, value: str) -> Iterator[str]:
    mount = container.mounted(value)
    if name in _READ_FOLDERS:
        if mount is None or mount.path != PurePosixPath(value) or not _READ_FOLDERS[name] <= (mount.files or set()):
            yield f"{name}: {value} lacks {sorted(_READ_FOLDERS[name])}"
    elif name in _MAY_BE_MISSING:
        if mount is not None and not mount.kept:
            yield f"{name}: nothing can be in {value}"
    elif mount is None or mount.read_only:
        yield f"{name}: {value} can't be written"


def _path_fields(found: type) -> set[str]:
    fields = found.model_fields  # type: ignore[attr-defined]
    return {name for name, field in names(found).items() if "Path" in str(fields[field].annotation)}


def _read(container: Container, name: str, value: str) -> Iterator[str]:
    mount = container.mounted(value)
    if mount is None or not mount.kept:
        yield f"{name}: nobody puts {value} there"
    elif mount.files is not None and str(PurePosixPath(value).relative_to(mount.path)) not in mount.files:
        yield f"{name}: there is no {value}; there are {sorted(mount.files)} in {mount.path}"


def _arguments(container: Container) -> Iterator[str]:
    for part in container.command:
        for path in re.findall(r"(?:^|=)(/[\w./-]+)$", part):
            yield from _read(container, part, path)
    hook = container.spec.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    written = {path for _, text in container.configured() for path in _IN_CONFIG.findall(text)}
    for part in hook:
        for path in re.findall(r"(?:^|=)(/[\w./-]+)$", part):
            if path not in written:
                yield f"preStop: nobody writes {path}"


def _files(container: Container) -> Iterator[str]:
    """Yield what is wrong with the paths in configuration files."""
    for file, text in container.configured():
        for path in _IN_CONFIG.findall(text):
            mount = container.mounted(path)
            if mount is None or mount.read_only:
                yield f"{file}: {path} can't be written"
        for path in _INCLUDED.findall(text):
            yield from _read(container, str(file), str(file.parent / path))


def _account(container: Container, *, entitled: bool) -> Iterator[str]:
    """Whoever has rights has the account's token where clients look for it, and nobody else has one."""
    from kubernetes.config.incluster_config import SERVICE_CERT_FILENAME, SERVICE_TOKEN_FILENAME  # noqa: PLC0415 - slow

    files = (SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME, f"{PurePosixPath(SERVICE_TOKEN_FILENAME).parent}/namespace")
    projected = [
        mount
        for mount in container.spec.get("volumeMounts", [])
        for source in container.volumes.get(mount["name"], {}).get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    ]
    if entitled != bool(projected):
        yield "a token without rights, or rights without a token"
    for mount in projected:
        place = container.mounted(mount["mountPath"])
        for path in map(PurePosixPath, files):
            if place is None or not path.is_relative_to(place.path) or path.name not in (place.files or set()):
                yield f"its client looks for {path}"
