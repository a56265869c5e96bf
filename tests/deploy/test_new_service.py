"""A service is added by two folders: everything that names services finds them there, and no other file has to be touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from earshot_cli.capacity import deployed
from support.manifests import ROOT, named, render, validate

LIKE = "scheduler"
NEW = "echo"
FOLDERS = (Path("services", NEW), Path("deploy", "base", NEW))
LISTED = Path("deploy", "base", "kustomization.yaml")
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "*.md")

# Processes of Python and kubectl, on a machine that does other things as well.
pytestmark = pytest.mark.timeout(240)


def _run(tree: Path, *command: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


def _files(tree: Path) -> dict[Path, bytes]:
    # What commands make for themselves is in no commit.
    made = {"build", "__pycache__"}
    return {
        path.relative_to(tree): path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and not made & {*path.relative_to(tree).parts}
    }


def _renamed(text: str) -> str:
    """Rename the service, and not what it reads from the bus."""
    return re.sub(rf"\b(earshot[_-])?{LIKE}\b", rf"\g<1>{NEW}", text)


@pytest.fixture(scope="module")
def before_and_tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[Path, bytes], Path]:
    """Return a copy of this tree to which a service was added by two folders, and what was in it before."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("deploy", "services"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=IGNORED)
    (tree / "requirements").mkdir()
    for file in ("pyproject.toml", "requirements/all.txt"):
        shutil.copy(ROOT / file, tree / file)
    before = _files(tree)
    service, base = (tree / folder for folder in FOLDERS)
    package = service / "src" / f"earshot_{NEW}"
    package.mkdir(parents=True)
    (service / "pyproject.toml").write_text(_renamed((ROOT / "services" / LIKE / "pyproject.toml").read_text()))
    (service / "README.md").write_text("Echo.\n")
    (package / "__init__.py").write_text('"""Says again what was said."""\n')
    (package / "__main__.py").write_text("")
    base.mkdir()
    for file in (ROOT / "deploy" / "base" / LIKE).glob("*.yaml"):
        if file.name != "networkpolicy.yaml":
            (base / file.name).write_text(_renamed(file.read_text()))
    for script in ("bases", "networkpolicies"):
        ran = _run(tree, f"deploy/local/{script}.py")
        assert ran.returncode == 0, ran.stderr
    ran = _run(tree, "-m", "images.dockerfiles", path=str(tree / "deploy"))
    assert ran.returncode == 0, ran.stderr
    return before, tree


@pytest.fixture(scope="module")
def tree(before_and_tree: tuple[dict[Path, bytes], Path]) -> Path:
    """Return the tree alone."""
    return before_and_tree[1]


def test_nothing_else_is_touched(before_and_tree: tuple[dict[Path, bytes], Path]) -> None:
    """Beside the two folders one file differs, which a command writes: kustomize has to be told the folders' names."""
    before, tree = before_and_tree
    after = _files(tree)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path for path in changed if not any(path.is_relative_to(folder) for folder in FOLDERS)} == {LISTED}
    assert _run(tree, "deploy/local/bases.py", "--check").returncode == 0
    lines = [set(text.decode().splitlines()) for text in (before[LISTED], after[LISTED])]
    assert lines[0] ^ lines[1] == {f"  - {NEW}"}


def test_a_list_without_the_new_folder_is_told(tree: Path, tmp_path: Path) -> None:
    """`make check` fails until `make bases` was run."""
    forgetful = tmp_path / "tree"
    shutil.copytree(tree / "deploy", forgetful / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / LISTED, forgetful / LISTED)
    ran = _run(forgetful, "deploy/local/bases.py", "--check")
    assert (ran.returncode, "run: make bases" in ran.stderr) == (1, True)


@pytest.mark.parametrize(("overlay", "autoscaler"), [("dev", "HorizontalPodAutoscaler"), ("prod", "ScaledObject")])
def test_overlays_have_it(tree: Path, overlay: str, autoscaler: str) -> None:
    """Each overlay renders with everything of the new service, and with the autoscaler that the overlay's cluster knows."""
    objects = render(str(tree / "deploy" / "overlays" / overlay))
    new = {(each["kind"], each["metadata"]["name"]) for each in objects if NEW in each["metadata"]["name"]}
    kinds = ("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", autoscaler)
    assert new == {(kind, NEW) for kind in kinds}
    for kind, name in new:
        validate(named(objects, kind, name))
    pod = named(objects, "Deployment", NEW)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["containers"][0]["readinessProbe"]["grpc"]["port"] == 50051


def test_its_flows_are_those_of_every_service(tree: Path) -> None:
    """Without a line in earshot_topology.flows it reaches the bus and names, is scraped, and nothing else."""
    objects = render(str(tree / "deploy" / "overlays" / "prod"))
    policy = named(objects, "NetworkPolicy", NEW)["spec"]
    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == NEW
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [8080]
    assert [port["port"] for rule in policy["egress"] for port in rule["ports"]] == [4222, 53, 53]


def test_it_has_an_image(tree: Path) -> None:
    """Its Dockerfile copies it and the libraries that it names, with pinned requirements, and no other service."""
    written = (tree / "services" / NEW / "Dockerfile").read_text()
    assert f'ENTRYPOINT ["/opt/earshot/bin/python", "-m", "earshot_{NEW}"]' in written
    assert re.findall(r"^COPY services/(\S+) ", written, re.MULTILINE) == [
        f"{NEW}/$REQUIREMENTS",
        "chassis",
        "contracts",
        NEW,
        "topology",
    ]
    assert "--hash=sha256:" in (tree / "services" / NEW / "requirements.txt").read_text()


def test_it_is_held_to_the_layers(tree: Path) -> None:
    """It may import libraries; that it imports another service, or its runtime, breaks the contracts about services."""
    module = tree / "services" / NEW / "src" / f"earshot_{NEW}" / "__init__.py"
    kept = module.read_text()
    module.write_text(f"{kept}import pocketsphinx\nimport earshot_topology\nimport earshot_nlu\n")
    try:
        ran = _run(tree, "deploy/local/layers.py", path=str(module.parents[1]))
    finally:
        module.write_text(kept)
    assert ran.returncode == 1
    assert f"earshot_{NEW} -> earshot_nlu" in ran.stderr
    assert f"earshot_{NEW} -> pocketsphinx" in ran.stderr


def test_a_stack_on_one_machine_runs_it(tree: Path, tmp_path: Path) -> None:
    """Installed, it is found by its entry point; until its permissions are declared, that is what is said, before anything starts."""
    ran = _run(
        tree,
        *("-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"),
        *("--target", str(tmp_path), f"services/{NEW}"),
    )
    assert ran.returncode == 0, ran.stderr
    code = (
        "from earshot_local.plan import SERVICES, replicas; from earshot_local.ports import Ports\n"
        f"(one,) = [each for each in SERVICES if each.name == {NEW!r}]; print(one.module, one.role, one.core)\n"
        "replicas(SERVICES, {}, Ports())"
    )
    ran = _run(tree, "-c", code, path=str(tmp_path))
    assert ran.stdout.split() == [f"earshot_{NEW}", NEW, "True"]
    assert f"no role '{NEW}'" in ran.stderr


def test_its_pods_are_counted(tree: Path) -> None:
    """`earshot capacity` reads its folder like the others'."""
    found = {each.name: each for each in deployed.read(tree / "deploy" / "base")}
    assert found.keys() == {each.name for each in deployed.read(ROOT / "deploy" / "base")} | {NEW}
    assert found[NEW].scaling.maximum == found[LIKE].scaling.maximum
