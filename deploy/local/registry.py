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


def images(folder: Path) -> dict[str, str]:
    """Return the images that a folder brings, with the tags that it gives them."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    files = [folder / name for name in said.get("resources", []) if (folder / name).is_file()]
    found = {name: tag for path in files for name, tag in _NAMED.findall(path.read_text())}
    given = {each["name"]: each["newTag"] for each in said.get("images", []) if "newTag" in each}
    return {name: str(given.get(name, tag)) for name, tag in found.items()}


def with_images(text: str, named: dict[str, str], registry: str) -> str:
    """Return a kustomization's text with these images pulled from a registry; what it says of others stays, and so do digests."""
    entries: list[dict[str, str]] = yaml.safe_load(text).get("images") or []
    for name, tag in sorted(named.items()):
        entry = next((each for each in entries if each["name"] == name), None)
        if entry is None:
            entries.append(entry := {"name": name})
        entry["newName"] = f"{registry}/{name.removeprefix(_OURS)}"
        if "digest" not in entry:
            entry["newTag"] = tag
    lines = ["images:\n"]
    for entry in entries:
        words = [f'{key}: "{word}"' if key == "newTag" else f"{key}: {word}" for key, word in entry.items()]
        lines += [f"  - {words[0]}\n", *(f"    {word}\n" for word in words[1:])]
    return "".join(_without_images(text)) + "".join(lines)


def _without_images(text: str) -> list[str]:
    """Return the lines that do not belong to `images`, each with its end."""
    kept, inside = [], False
    for line in text.splitlines():
        inside = line.startswith("images:") or (inside and not line[:1].isalpha())
        if not inside:
            kept.append(f"{line}\n")
    return kept


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
    written = {}
    for path in sorted(_DEPLOY.glob("**/kustomization.yaml")):
        if named := images(path.parent):
            written[path] = with_images(path.read_text(), dict.fromkeys(named, tag) if tag else named, registry)
            # All of them can be read, or none is written.
            yaml.safe_load(written[path])
    for path, text in written.items():
        path.write_text(text)
        print(path.parent.relative_to(_DEPLOY.parent))


if __name__ == "__main__":
    main()
