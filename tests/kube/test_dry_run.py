"""Everything that we ship, tried on the server without a trace: kubectl apply --dry-run=server, unknown fields refused."""

from __future__ import annotations

import contextlib
import copy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError

from support.kube import real
from support.kube.operating import ROOT
from support.manifests import APART, OVERLAYS, render

KUBECTL = Path(sys.executable).parent / "kubectl"
# That for development is applied to our own server by the long tests (deploy_slow).
TRIED = OVERLAYS if real.wanted() else ("prod",)
OTHERS = sorted((ROOT / "tests" / "support" / "crds").glob("*.yaml"))


@pytest.fixture
def cluster(request, kubeconfig):
    """How the server is reached; our own one knows the kinds of others, too, as far as we use them."""
    if not real.wanted():
        server = request.getfixturevalue("double").server
        for path in OTHERS:
            server.create(yaml.safe_load(path.read_text()))
    return kubeconfig


async def kubectl(cluster, objects, call):
    """Try objects; return what it says of each."""
    command = [str(KUBECTL), "--kubeconfig", str(cluster), "apply", "--dry-run=server", "--validate=strict", "-f", "-"]
    text = yaml.safe_dump_all(objects)
    tried = await call(subprocess.run, command, input=text, capture_output=True, text=True, check=False, timeout=50)
    assert tried.returncode == 0, tried.stderr
    return tried.stdout.splitlines()


def moved(objects, where):
    """Return objects as those of another namespace: what runs under their names is not looked at."""
    for content in copy.deepcopy(objects):
        if content["kind"] == "Namespace":
            content["metadata"]["name"] = where
        elif "namespace" in content["metadata"]:
            content["metadata"]["namespace"] = where
        yield content


def known(client, objects):
    """Return the kinds of objects that the server has, each by version and name."""
    server, found = DynamicClient(client), set()
    for version, kind in {(content["apiVersion"], content["kind"]) for content in objects}:
        with contextlib.suppress(ResourceNotFoundError):
            server.resources.get(api_version=version, kind=kind)
            found.add((version, kind))
    return found


async def test_our_definitions(cluster, call):
    """A server takes them: those that are there would be changed to them."""
    (said,) = await kubectl(cluster, render("crds"), call)
    assert said.startswith("customresourcedefinition.apiextensions.k8s.io/skills.earshot.dev ")
    assert said.endswith("(server dry run)")


@pytest.mark.parametrize("overlay", [f"overlays/{each}" for each in (*TRIED, *APART) if each.split("/")[0] in TRIED])
async def test_an_overlay(cluster, client, call, where, overlay):
    """Each object is one that the server would take; kinds that a real one lacks are named, and the rest is tried."""
    objects = list(moved(render(overlay), where))
    kinds = await call(known, client(), objects)
    tried = [content for content in objects if (content["apiVersion"], content["kind"]) in kinds]
    said = await kubectl(cluster, tried, call)
    assert len(said) == len(tried)
    if missing := sorted({content["kind"] for content in objects} - {kind for _, kind in kinds}):
        assert real.wanted(), missing
        pytest.skip(f"but for what the cluster does not know: {', '.join(missing)}")
