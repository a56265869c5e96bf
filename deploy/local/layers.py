"""Check which package imports which: python deploy/local/layers.py [--verbose].

The contracts stand in pyproject.toml (tool.importlinter). import-linter knows no patterns, so what they say of all packages is
filled in here from the folders, and a new service or library is held to them without a line:

    "@all"        every package of ours
    "@services"   those that become images: services, skills, the operator
    "-name"       but not this one
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
# Generated code has no underscore in its name.
CONTRACTS = "earshot"


def packages() -> dict[str, bool]:
    """Return every package of ours, and whether it becomes an image."""
    found = {CONTRACTS: False}
    for path in (*ROOT.glob("services/*/pyproject.toml"), *ROOT.glob("services/skills/*/pyproject.toml")):
        image = "image" in tomllib.loads(path.read_text())["tool"].get("earshot", {})
        found.update({package.name: image for package in path.parent.glob("src/earshot_*") if package.is_dir()})
    return dict(sorted(found.items()))


def filled(names: Iterable[str], known: dict[str, bool]) -> list[str]:
    """Return names with those that a word stands for."""
    found: dict[str, None] = {}
    for name in names:
        if name == "@all":
            found.update(dict.fromkeys(known))
        elif name == "@services":
            found.update(dict.fromkeys(package for package, image in known.items() if image))
        elif name.startswith("-"):
            found.pop(name[1:])
        else:
            found[name] = None
    return list(found)


def configuration(said: dict[str, Any], known: dict[str, bool]) -> str:
    """Return import-linter's own file."""
    lines = ["[tool.importlinter]", f"root_packages = {json.dumps(list(known))}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in said.items() if key != "contracts"]
    for contract in said["contracts"]:
        lines.append("[[tool.importlinter.contracts]]")
        for key, value in contract.items():
            lines.append(f"{key} = {json.dumps(filled(value, known) if isinstance(value, list) else value)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the file, and run import-linter with it; what it prints is shown if a contract is broken.

    Raises:
        SystemExit: One is.
    """
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    BUILD.mkdir(exist_ok=True)
    config = BUILD / "importlinter.toml"
    config.write_text(configuration(said, packages()))
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    command = [str(program), "--config", str(config), "--cache-dir", str(BUILD / "import_linter"), *sys.argv[1:]]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    (BUILD / "layers.txt").write_text(ran.stdout)
    if ran.returncode:
        raise SystemExit(f"{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    main()
