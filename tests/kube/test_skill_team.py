"""What a team can do with kubectl that has the Role of deploy/components/skill-team: ship its Skills, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from earshot_topology.policies import NAMESPACE, SKILLS_NAMESPACE
from support.manifests import render

KUBECTL = Path(sys.executable).parent / "kubectl"
TEAM = f"sa:{SKILLS_NAMESPACE}:trivia"
SKILL = """\
apiVersion: earshot.dev/v1alpha1
kind: Skill
metadata: {name: NAME}
spec: {image: "trivia:1", locales: [en-US], secrets: [{env: EARSHOT_TRIVIA_API_KEY, name: trivia, key: api-key}]}
---
apiVersion: v1
kind: Secret
metadata: {name: NAME}
stringData: {api-key: mine}
"""


@pytest.fixture
async def team(double, tmp_path, call):
    """Kubectl as a team runs it, beside another team's Skill and Secret and a service's credential."""
    server = double.server
    for content in render("components/skill-team"):
        # The double knows people by the service accounts that they borrow.
        account = {"kind": "ServiceAccount", "name": "trivia", "namespace": SKILLS_NAMESPACE}
        server.create(content | ({"subjects": [account]} if "subjects" in content else {}), SKILLS_NAMESPACE)
    for namespace, name in (
        (SKILLS_NAMESPACE, "other"),
        (SKILLS_NAMESPACE, "bus-skill-trivia"),
        (NAMESPACE, "bus-asr"),
    ):
        server.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}, namespace)
    spec = {"image": "other:1", "locales": ["en-US"]}
    skill = {"apiVersion": "earshot.dev/v1alpha1", "kind": "Skill", "metadata": {"name": "other"}, "spec": spec}
    server.create(skill, SKILLS_NAMESPACE)
    kubeconfig = double.kubeconfig(tmp_path, TEAM, SKILLS_NAMESPACE)
    server.nobody = TEAM

    async def kubectl(line, text=""):
        command = [str(KUBECTL), "--kubeconfig", str(kubeconfig), *line.split()]
        return await call(subprocess.run, command, input=text, capture_output=True, text=True, check=False, timeout=50)

    return kubectl


async def test_a_team_ships_its_skill(team, double):
    """Made, changed and deleted, with its Secret, which it labels and reads; it sees how pods and everybody's Skills are doing."""
    for line, text in (
        ("apply --validate=false -f -", SKILL.replace("NAME", "trivia")),
        ("apply --validate=false -f -", SKILL.replace("NAME", "trivia").replace("trivia:1", "trivia:2")),
        ("label secret trivia earshot.dev/skill=trivia", ""),
        ("get secret trivia", ""),
        ("get skills", ""),
        ("get pods,deployments,events", ""),
    ):
        done = await team(line, text)
        assert done.returncode == 0, (line, done.stderr)
    found = double.server.find("earshot.dev/v1alpha1", "Skill", "trivia", SKILLS_NAMESPACE)
    assert found["spec"]["image"] == "trivia:2"
    for kind in ("skill", "secret"):
        done = await team(f"delete {kind} trivia --wait=false")
        assert done.returncode == 0, done.stderr


async def test_a_team_touches_nothing_else(team):
    """Another team's, the platform's, the services': neither read nor shown by a change; no pods, and no rights."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine"}}
    for line in (
        "get secrets",
        "get secret other",
        "get secret bus-skill-trivia",
        "label secret other earshot.dev/skill=trivia",
        "patch secret other -p {} --type=merge",
        "delete secret other --cascade=foreground",
        "patch skill other --type=merge -p {}",
        "delete skill other",
        "get configmaps",
        f"get secret bus-asr -n {NAMESPACE}",
        f"get secrets -n {NAMESPACE}",
        f"get skills -n {NAMESPACE}",
        f"get pods -n {NAMESPACE}",
    ):
        done = await team(line)
        assert (done.returncode, "forbidden" in done.stderr.lower()) == (1, True), (line, done.stdout, done.stderr)
    for kind, version in (("Pod", "v1"), ("Deployment", "apps/v1"), ("RoleBinding", "rbac.authorization.k8s.io/v1")):
        text = str(pod | {"kind": kind, "apiVersion": version}).replace("'", '"')
        done = await team("apply --validate=false -f -", text)
        assert (done.returncode, "forbidden" in done.stderr.lower()) == (1, True), (kind, done.stderr)
    for namespace, name in ((SKILLS_NAMESPACE, "other"), (NAMESPACE, "trivia")):
        done = await team(f"apply --validate=false -n {namespace} -f -", SKILL.replace("NAME", name))
        assert done.returncode == 1, (namespace, name)
        assert done.stderr.lower().count("forbidden") >= 2, done.stderr
