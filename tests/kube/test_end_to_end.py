"""make e2e-kube: the suite on somebody else's server, by nothing but a kubeconfig file. Here that is the double in another process."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from support.kube import real
from support.kube.end_to_end import TESTS, MissingError, files, main, untried
from support.kube.operating import ROOT

SKILL = {"E2E_SKILL": "trivia", "E2E_IMAGE": "trivia:1", "E2E_VERSION": "1.0.0"}
NEXT = {"E2E_IMAGE_NEXT": "trivia:2", "E2E_VERSION_NEXT": "2.0.0"}
BUS = {"E2E_BUS_URL": "nats://bus:4222", "E2E_BUS_CREDENTIALS": "admin.creds"}


@pytest.fixture
def environment(tmp_path):
    """A kubeconfig and nothing else."""
    path = tmp_path / "kubeconfig"
    path.touch()
    return {"E2E_KUBECONFIG": str(path)}


@pytest.mark.parametrize(
    ("told", "operator", "lacking"),
    [
        ({}, False, ["the operator"]),
        (SKILL, True, ["images that are refused", "an update", "what the registry holds"]),
        (SKILL | NEXT, True, ["images that are refused", "what the registry holds"]),
        (SKILL | NEXT | BUS, True, ["images that are refused"]),
    ],
)
def test_what_is_not_tried_is_said(environment, told, operator, lacking):
    """By what it would take."""
    chosen = files(environment | told)
    assert all((TESTS / each).is_file() for each in chosen)
    assert any(each.startswith("operator/") for each in chosen) == operator
    for said, begin in zip(untried(environment | told), lacking, strict=True):
        assert said.startswith(begin)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"E2E_KUBECONFIG": ""}, "KUBECONFIG=file"),
        ({"E2E_KUBECONFIG": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"E2E_SKILL": "trivia"}, "E2E_IMAGE, E2E_VERSION, too"),
        (SKILL | {"E2E_IMAGE_NEXT": "trivia:2"}, "E2E_VERSION_NEXT, too"),
        (NEXT, "say which skill"),
    ],
)
def test_what_is_half_told_is_refused(environment, told, wanted):
    """Before anything is tried."""
    with pytest.raises(MissingError, match=re.escape(wanted)):
        files(environment | told)


@pytest.mark.skipif(bool(real.wanted()), reason="it is what runs")
async def test_a_cluster_without_our_definitions_is_told_apart(double, tmp_path, call, capsys):
    """In one sentence, before anything is tried."""
    double.server.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", "skills.earshot.dev")
    status = await call(main, {"E2E_KUBECONFIG": str(double.kubeconfig(tmp_path))}, [])
    assert status == 2
    assert capsys.readouterr().err.endswith("kubectl apply -k deploy/crds first\n")


@pytest.mark.skipif(bool(real.wanted()), reason="it is what runs")
@pytest.mark.timeout(200)
async def test_a_server_of_somebody_else(double, tmp_path, call):
    """The tests do there what they do here, in namespaces of their own; what needs the double is skipped."""
    other = os.environ | {"E2E_KUBECONFIG": str(double.kubeconfig(tmp_path)), "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "support.kube.end_to_end", "-q", "-p", "no:cacheprovider", "-k"]
    command += ["identity or watch or finalizer or rights or not_deleted or our_definitions or eviction"]
    run = await call(
        subprocess.run, command, env=other, cwd=ROOT, capture_output=True, text=True, check=False, timeout=150
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^7 passed, 1 skipped, \d+ deselected", run.stdout, re.MULTILINE), run.stdout
    assert run.stdout.count("earshot: not tried: the operator") == 2
    spaces = [each["metadata"]["name"] for each in double.server.listed("v1", "Namespace")]
    assert not [name for name in spaces if name.startswith("earshot-e2e-")], "what it made is gone"
    made = {asked.namespace for asked in double.server.access.log if asked.verb == "create" and asked.namespace}
    assert all(name.startswith("earshot-e2e-") for name in made), made
