"""What deploy/ renders to, by kubectl, and what the objects say of one another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from support import kubernetes_schemas

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CRDS = (Path(__file__).parent / "crds", DEPLOY / "crds")
# The version that schemas are of: what the fleet's clusters run at least. preStop's sleep came with 1.30.
KUBERNETES = "1.30"
OVERLAYS = ("dev", "prod")
# What the bus is made by, beside each overlay, in a namespace of its own.
ADMINS = tuple(f"{overlay}/admin" for overlay in OVERLAYS)
# Where the operator's skills are, likewise.
SKILLS = ("prod/skills",)
APART = (*ADMINS, *SKILLS)
BASES = tuple(sorted(folder.name for folder in (DEPLOY / "base").iterdir() if folder.is_dir()))
PART_OF = "app.kubernetes.io/part-of"
NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"

Object = dict[str, Any]


class InvalidObjectError(Exception):
    """An object is not what its kind's schema says, or its kind has none."""


@cache
def render(folder: str) -> tuple[Object, ...]:
    """Return the objects of a folder below deploy/, "overlays/prod", or any other, rendered as an SRE does; not to be changed."""
    script = [sys.executable, str(DEPLOY / "local" / "render.py"), str(DEPLOY / folder)]
    rendered = subprocess.run(script, capture_output=True, text=True, check=False)
    if rendered.returncode:
        raise AssertionError(f"{folder} does not render: {rendered.stderr}")
    # In C, where there is such a loader: six times faster.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(content for content in yaml.load_all(rendered.stdout, loader) if content)


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    """Return the objects of these kinds."""
    return [each for each in objects if each["kind"] in kinds]


def named(objects: Iterable[Object], kind: str, name: str) -> Object:
    """Return one object.

    Raises:
        KeyError: It is not there.
    """
    for each in of_kind(objects, kind):
        if each["metadata"]["name"] == name:
            return each
    raise KeyError(f"{kind} {name}")


def pod_templates(objects: Iterable[Object]) -> Iterator[tuple[Object, Object]]:
    """Yield each workload with the template of its pods."""
    for each in of_kind(objects, "Deployment", "StatefulSet", "DaemonSet", "Job"):
        yield each, each["spec"]["template"]
    for each in of_kind(objects, "CronJob"):
        yield each, each["spec"]["jobTemplate"]["spec"]["template"]


def services_of(objects: Iterable[Object]) -> list[Object]:
    """Return the deployments of our own services and skills."""
    return [
        each
        for each in of_kind(objects, "Deployment")
        if each["metadata"]["labels"].get(COMPONENT) in {"service", "skill"}
    ]


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Tell whether a label selector means something with these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for each in selector.get("matchExpressions", []):
        if each["operator"] != "In":
            raise NotImplementedError(each["operator"])
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


def environment(container: Object) -> dict[str, str]:
    """Return a container's variables: values, and for what is referred to, where it comes from, "configMap bus url"."""
    return {each["name"]: each["value"] if "value" in each else _source(each["valueFrom"]) for each in container["env"]}


def _source(value_from: Object) -> str:
    ((kind, reference),) = value_from.items()
    if kind == "fieldRef":
        return f"field {reference['fieldPath']}"
    return f"{kind.removesuffix('KeyRef')} {reference['name']} {reference['key']}"


def validate(content: Object) -> None:
    """Check an object against its kind's schema; unknown fields are refused.

    Raises:
        InvalidObjectError: It is not valid, or nobody has a schema of its kind.
    """
    where = f"{content['kind']} {content['metadata']['name']}"
    schema = _definitions().get((content["apiVersion"], content["kind"]))
    try:
        if schema is not None:
            jsonschema.Draft202012Validator(schema).validate(content)
        else:
            kubernetes_schemas.validate(content, KUBERNETES, strict=True)
    except kubernetes_schemas.SchemaNotFoundError as error:
        raise InvalidObjectError(f"{where}: {error.message}") from error
    except jsonschema.ValidationError as error:
        path = ".".join(str(part) for part in error.absolute_path)
        raise InvalidObjectError(f"{where}: {path}: {error.message}") from error


@cache
def _definitions() -> dict[tuple[str, str], Object]:
    found: dict[tuple[str, str], Object] = {}
    for path in sorted(path for folder in CRDS if folder.is_dir() for path in folder.glob("*.yaml")):
        for definition in yaml.safe_load_all(path.read_text()):
            if definition["kind"] != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = _strict(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def _strict(schema: Any) -> Any:
    """Return an OpenAPI schema as one that refuses fields which it does not name."""
    if not isinstance(schema, dict):
        return schema
    made = {name: value for name, value in schema.items() if not name.startswith("x-kubernetes-")}
    if "properties" in schema:
        made["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        if "additionalProperties" not in schema:
            made["additionalProperties"] = False
    if "items" in schema:
        made["items"] = _strict(schema["items"])
    return made
