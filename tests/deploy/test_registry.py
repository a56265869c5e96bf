"""From where images are pulled, as `make registry` writes it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.manifests import DEPLOY, OVERLAYS, Object, pod_templates, render, services_of

REGISTRY = "registry.example.com:5000/earshot"


def images(objects: tuple[Object, ...]) -> set[str]:
    """Return the images of all pods."""
    return {each["image"] for _, template in pod_templates(objects) for each in template["spec"]["containers"]}


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """Copy deploy/."""
    return Path(shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__")))


def write(deploy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command of a copy."""
    script = [sys.executable, str(deploy / "local" / "registry.py"), *arguments]
    return subprocess.run(script, capture_output=True, text=True, check=False)


def test_every_image_of_ours_is_pulled_from_there(deploy: Path) -> None:
    """Whether a folder is applied by itself or in an overlay; a team's version stays, and twice is as once."""
    team = deploy / "base" / "asr" / "kustomization.yaml"
    team.write_text(f"{team.read_text()}images: [{{name: earshot/asr, newTag: 0.2.0}}]\n")
    assert write(deploy, REGISTRY).returncode == 0
    written = team.read_text()
    assert write(deploy, REGISTRY).returncode == 0
    assert team.read_text() == written
    assert images(render(str(deploy / "base" / "asr"))) == {f"{REGISTRY}/asr:0.2.0"}
    for overlay in OVERLAYS:
        rendered = render(str(deploy / "overlays" / overlay))
        ours = {each for each in images(rendered) if each.startswith(REGISTRY)}
        assert not {each for each in images(rendered) if each.startswith("earshot/")}
        assert len(ours) == len(services_of(rendered)) + (overlay == "prod")
        assert f"{REGISTRY}/asr:0.2.0" in ours
        assert images(render(str(deploy / "overlays" / overlay / "admin"))) == {f"{REGISTRY}/dialogue:0.1.0"}
    assert write(deploy, REGISTRY, "0.3.0").returncode == 0
    assert team.read_text() == written.replace("0.2.0", "0.3.0")
    assert team.read_text().count("images:") == 1


def test_what_else_stands_there_stays(deploy: Path) -> None:
    """Other images, digests, and what comes behind; whatever stands between."""
    folder = deploy / "base" / "asr" / "kustomization.yaml"
    before = folder.read_text().rstrip("\n")
    others = "images:\n  - name: earshot/asr\n    digest: sha256:12\n\n# of somebody\n  - name: theirs\n    newTag: '1'\nnamePrefix: x"
    folder.write_text(f"{before}\n{others}")
    assert write(deploy, REGISTRY, "0.3.0").returncode == 0
    said = yaml.safe_load(folder.read_text())
    assert said["images"] == [
        {"name": "earshot/asr", "digest": "sha256:12", "newName": f"{REGISTRY}/asr"},
        {"name": "theirs", "newTag": "1"},
    ]
    assert said.pop("namePrefix") == "x"
    assert {**said, "images": None} == {**yaml.safe_load(before), "images": None}


@pytest.mark.parametrize("arguments", [(), ("https://registry.example.com",), ("registry.example.com", "a b")])
def test_what_is_no_registry_is_refused(deploy: Path, arguments: tuple[str, ...]) -> None:
    """In one line, with nothing written."""
    before = (deploy / "base" / "asr" / "kustomization.yaml").read_text()
    refused = write(deploy, *arguments)
    assert refused.returncode == 1
    assert refused.stderr.startswith("give a registry")
    assert (deploy / "base" / "asr" / "kustomization.yaml").read_text() == before
