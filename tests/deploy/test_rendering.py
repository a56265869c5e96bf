"""Everything below deploy/ renders, to valid objects, in the namespace of its overlay."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from earshot_local.plan import SERVICES
from earshot_topology.policies import ADMIN_NAMESPACE, NAMESPACE, SKILLS_NAMESPACE
from support.manifests import (
    ADMINS,
    APART,
    BASES,
    DEPLOY,
    OVERLAYS,
    ROOT,
    SKILLS,
    InvalidObjectError,
    named,
    of_kind,
    render,
    services_of,
    validate,
)

FOLDERS = [
    *(f"base/{name}" for name in BASES),
    *(f"overlays/{name}" for name in (*OVERLAYS, *APART)),
    "components/skill-team",
]
OWN = ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "ScaledObject", "Service", "ServiceAccount"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_object_is_valid(folder: str) -> None:
    """Each object is what its kind's schema says; fields that it does not know, and kinds without one, are refused."""
    for content in render(folder):
        validate(content)


def documented() -> list[pytest.param]:
    """Return every manifest that stands in a document, with where it stands."""
    found = []
    for document in sorted((*ROOT.glob("docs/*.md"), *ROOT.glob("services/*/README.md"), ROOT / "README.md")):
        blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", document.read_text(), re.DOTALL | re.MULTILINE)
        # One ends where its block does, or what the shell hands to a command.
        text = "\nEOF\n".join(map(textwrap.dedent, blocks))
        manifests = re.findall(r"^apiVersion:.*?(?=^EOF$|\Z)", text, re.DOTALL | re.MULTILINE)
        where = document.relative_to(ROOT)
        found += [pytest.param(text, id=f"{where} {number}") for number, text in enumerate(manifests, 1)]
    return found


@pytest.mark.parametrize("text", documented())
def test_every_manifest_in_a_document_is_valid(text: str) -> None:
    """What a reader is told to write is an object that its kind's schema lets pass, a Skill the definition's as well."""
    for content in yaml.safe_load_all(text):
        validate(content)


def test_documents_have_manifests() -> None:
    """The search for them finds those that are there: a Skill, and what lets a bus or a skill talk to somebody else."""
    kinds = {content["kind"] for param in documented() for content in yaml.safe_load_all(param.values[0])}
    assert {"Skill", "NetworkPolicy"} <= kinds


def test_what_is_not_valid_is_refused() -> None:
    """The validator does find an unknown field, a wrong type and a kind that nobody has a schema of."""
    objects = render("overlays/prod")
    for kind, name in (("Deployment", "asr"), ("ScaledObject", "asr"), ("HTTPRoute", "skill-music")):
        broken = copy.deepcopy(named(objects, kind, name))
        broken["spec"]["replicass"] = 1
        with pytest.raises(InvalidObjectError, match="replicass"):
            validate(broken)
    broken = copy.deepcopy(named(objects, "ScaledObject", "asr"))
    broken["spec"]["triggers"][0]["metadata"]["lagThreshold"] = 10
    with pytest.raises(InvalidObjectError, match="10 is not of type 'string'"):
        validate(broken)
    with pytest.raises(InvalidObjectError, match="Couldn't find schema for kind Spaceship"):
        validate({"apiVersion": "example.org/v1", "kind": "Spaceship", "metadata": {"name": "one"}})


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_every_service_has_a_folder_of_its_own(service: str) -> None:
    """What runs on one machine can be shipped: a folder that renders by itself and holds everything of one service."""
    folder = service if service in BASES else f"skill-{service}"
    kinds = sorted(content["kind"] for content in render(f"base/{folder}"))
    assert kinds == OWN
    assert {content["metadata"]["name"] for content in render(f"base/{folder}")} == {folder}


def test_the_overlays_hold_every_folder() -> None:
    """deploy/base lists its folders, so that an overlay forgets none."""
    listed = yaml.safe_load((DEPLOY / "base" / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(BASES)


@pytest.mark.parametrize("overlay", [*OVERLAYS, *APART])
def test_the_overlay_names_the_namespace(overlay: str) -> None:
    """Objects of bases and components alike are in the overlay's namespace, which enforces restricted pod security."""
    objects = render(f"overlays/{overlay}")
    apart = SKILLS_NAMESPACE if overlay in SKILLS else NAMESPACE
    name = ADMIN_NAMESPACE if overlay in ADMINS else apart
    namespace = named(objects, "Namespace", name)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {content["metadata"].get("namespace") for content in objects if content is not namespace} == {name}
    for name in BASES:
        assert {content["metadata"].get("namespace") for content in render(f"base/{name}")} == {None}


def test_images_are_of_the_version_that_is_here() -> None:
    """A deployment names its own service's image, in the version of the service's distribution."""
    for deployment in services_of(render("overlays/prod")):
        name = deployment["metadata"]["name"]
        folder = f"skills/{name.removeprefix('skill-')}" if name.startswith("skill-") else name
        project = (ROOT / "services" / folder / "pyproject.toml").read_text()
        version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
        assert version is not None
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == f"earshot/{name}:{version[1]}"


def test_nothing_of_a_cluster_is_in_two_places() -> None:
    """No two objects of an overlay are the same one."""
    for overlay in (*OVERLAYS, *APART):
        keys = [(each["kind"], each["metadata"]["name"]) for each in render(f"overlays/{overlay}")]
        assert len(keys) == len(set(keys))


def test_development_needs_no_definitions() -> None:
    """The development overlay applies to a bare cluster: its kinds are Kubernetes's own."""
    objects = render("overlays/dev") + render("overlays/dev/admin")
    groups = {content["apiVersion"].split("/")[0] for content in objects}
    assert groups == {"v1", "apps", "batch", "autoscaling", "policy", "networking.k8s.io"}
    assert of_kind(render("overlays/dev"), "ScaledObject") == []


def test_an_old_kubectl_is_named(tmp_path: Path) -> None:
    """Debian's kubectl knows no components; who renders with it is told which one it is and what is needed."""
    old = tmp_path / "kubectl"
    version = '{"clientVersion": {"major": "1", "minor": "20", "gitVersion": "v1.20.2"}}'
    old.write_text(f"#!/bin/sh\necho '{version}'\n")
    old.chmod(0o755)
    script = [sys.executable, str(DEPLOY / "local" / "render.py"), str(DEPLOY / "base" / "asr")]
    told = subprocess.run(
        script, capture_output=True, text=True, check=False, env={**os.environ, "EARSHOT_KUBECTL": str(old)}
    )
    assert told.returncode == 1
    assert told.stderr.startswith(f"kubectl_too_old: {old} is 1.20, which knows no kustomize components; 1.27 or newer")
