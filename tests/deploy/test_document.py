"""What docs/deploy.md tells people to apply, run and look into is there, and valid; tests/deploy_slow runs its commands."""

from __future__ import annotations

import re
import textwrap

import pytest
import yaml
from typer.main import get_command

from earshot_cli.app import app
from support.manifests import DEPLOY, ROOT, validate

TEXT = (ROOT / "docs" / "deploy.md").read_text()
BLOCKS = re.findall(r"^ *```\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE)
# Commands stand in blocks and in lines.
CODE = [line for block in BLOCKS for line in block.splitlines()] + re.findall(
    r"`([^`]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
)
WORDS = [word for code in CODE for word in code.split()]


def _manifests() -> list[str]:
    blocks = [textwrap.dedent(block) for block in BLOCKS if "apiVersion:" in block]
    return [block[block.index("apiVersion") :].split("EOF")[0] for block in blocks]


@pytest.mark.parametrize("text", _manifests())
def test_manifests_are_valid(text: str) -> None:
    """Whatever stands there to be applied has no field that its kind does not know."""
    for each in yaml.safe_load_all(text):
        validate(each)


def test_there_are_manifests_commands_and_folders() -> None:
    """The document is read as it is written: none of the tests here is about nothing."""
    kinds = {each["kind"] for text in _manifests() for each in yaml.safe_load_all(text)}
    assert kinds == {"NetworkPolicy", "Skill"}
    assert len(_commands()) > 10
    assert len(_paths()) > 10
    assert len(_targets()) > 8


def _commands() -> list[list[str]]:
    found = [
        re.split(r"[|&;#]", code[match.end() :])[0].split()
        for code in CODE
        for match in re.finditer(r"(?:^|[|&;=]\S* )earshot (?=[a-z])", code)
    ]
    return [words for words in found if words]


def test_commands_and_their_options_are_those_of_the_command_line() -> None:
    """Each `earshot …` names a command that there is, with options that it has."""
    for words in _commands():
        command = get_command(app)
        for word in words:
            commands = getattr(command, "commands", {})
            if word.startswith("--"):
                assert word.split("=")[0] in {option for each in command.params for option in each.opts}, words
            elif commands:
                assert word in commands, words
                command = commands[word]


def _targets() -> set[str]:
    found = [
        re.sub(r"\S+=\S*", "", rest).split()
        for code in CODE
        for rest in re.findall(r"(?<!\w)make ((?:[a-z0-9-]+ ?)+)", code)
    ]
    return {target for targets in found for target in targets}


def test_targets_are_those_of_the_makefile() -> None:
    """Each `make …` names targets that there are."""
    there = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert _targets() <= there


def _paths() -> set[str]:
    found = {
        word.strip("(),.:;")
        for word in WORDS
        if re.match(r"(deploy|tests|services|components|overlays|base|charts|images|crds)/", word)
    }
    return {path for path in found if "<" not in path and "*" not in path and "…" not in path}


def test_files_and_folders_are_there() -> None:
    """Each path is one of the repository, or of deploy/."""
    missing = [path for path in _paths() if not any((root / path).exists() for root in (ROOT, DEPLOY))]
    assert missing == []


def test_folders_that_are_applied_are_kustomizations() -> None:
    """Each folder that people apply is one that kubectl renders; other tests do."""
    folders = set(re.findall(r"-k (deploy/[\w/-]+)", TEXT))
    assert {"deploy/crds", "deploy/overlays/prod", "deploy/base/asr"} <= folders
    assert [folder for folder in folders if not (ROOT / folder / "kustomization.yaml").exists()] == []
