"""Write below deploy/ from where images are pulled: python deploy/local/registry.py registry.example.com/earshot [tag].

As `images:` of every folder that brings one, since each of them is applied by itself, too: what stood in the overlay alone, a
team's own `kubectl apply -k deploy/base/asr` would take back.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

_DEPLOY = Path(__file__).resolve().parent.parent
_OURS = "earshot/"
_NAMED = re.compile(r"^\s*(?:- )?image: (earshot/\S+?):(\S+)$", re.MULTILINE)
# A registry's name and port, and a path.
_REGISTRY = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_BLOCK = re.compile(r"^images:.*\n(?:[ -].*\n)*", re.MULTILINE)


def images(folder: Path) -> dict[str, str]:
    """Return the images that a folder brings, with the tags that it gives them."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    files = [folder / name for name in said.get("resources", []) if (folder / name).is_file()]
    found = {name: tag for path in files for name, tag in _NAMED.findall(path.read_text())}
    given = {each["name"]: each["newTag"] for each in said.get("images", []) if "newTag" in each}
    return {name: str(given.get(name, tag)) for name, tag in found.items()}


def with_images(text: str, named: dict[str, str], registry: str) -> str:
    """Return a kustomization's text with these images pulled from a registry."""
    lines = ["images:\n"]
    for name, tag in sorted(named.items()):
        lines += [
            f"  - name: {name}\n",
            f"    newName: {registry}/{name.removeprefix(_OURS)}\n",
            f'    newTag: "{tag}"\n',
        ]
    return _BLOCK.sub("", text) + "".join(lines)


def main() -> None:
    """Write them.

    Raises:
        SystemExit: The registry or the tag can't be one.
    """
    registry, tag = (*sys.argv[1:], "", "")[:2]
    registry = registry.rstrip("/")
    if _REGISTRY.fullmatch(registry) is None or (tag and _TAG.fullmatch(tag) is None):
        raise SystemExit(
            "give a registry and perhaps a tag: make registry REGISTRY=registry.example.com/earshot TAG=0.2.0"
        )
    for path in sorted(_DEPLOY.glob("**/kustomization.yaml")):
        named = images(path.parent)
        if named:
            path.write_text(with_images(path.read_text(), named if not tag else dict.fromkeys(named, tag), registry))
            print(f"{path.parent.relative_to(_DEPLOY.parent)}: {', '.join(sorted(named))}")


if __name__ == "__main__":
    main()
