"""Every `earshot` command that a document tells its reader to run is one, with the options that it has there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earshot_cli.app import app

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^ *(?:[A-Z_]+=\S+ )*earshot (?P<rest>[^#|\n]*)", re.MULTILINE)


def documented() -> list[pytest.param]:
    """Return the words of every such command in a block of a document, each once."""
    found = {}
    for document in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("services/*/README.md"))):
        blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", document.read_text(), re.DOTALL | re.MULTILINE)
        for line in LINE.finditer("\n".join(blocks)):
            found.setdefault(line["rest"].strip(), document.relative_to(ROOT))
    return [pytest.param(rest, id=f"{where}: {rest}") for rest, where in found.items()]


def known(words: list[str]) -> bool:
    """Tell whether words name a command and options that it has; nothing is run."""
    return CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


@pytest.mark.parametrize("rest", documented())
def test_a_documented_command_is_one(rest: str):
    """Its name, and the options that it is given."""
    assert known(shlex.split(rest))


def test_documents_have_commands():
    """The search for them finds those of README."""
    assert len(documented()) >= 15


def test_what_is_no_command_is_noticed():
    """An unknown option, an unknown command, also of a group."""
    assert not known(["turns", "--begum"])
    assert not known(["tunrs"])
    assert not known(["device", "sing"])
