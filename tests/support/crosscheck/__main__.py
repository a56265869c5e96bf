"""What may be altered without a complaint: PYTHONPATH=tests:deploy python -m support.crosscheck prod Deployment/operator Job/bus-apply.

Each word and each number of these objects is altered, one at a time, and what no check and no schema objects to is printed. Some of it is
nobody's to judge (a number of replicas), some is another test's (labels, pod security, Secrets). The rest is what a check is missing for.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from typing import Any

from support.crosscheck.checks import complaints
from support.crosscheck.cluster import Cluster, overlays_of
from support.manifests import InvalidObjectError, Object, validate

Path = tuple[str | int, ...]


def leaves(content: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every word and number with where it is."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from leaves(value, (*path, key))
    else:
        yield path, content


def others(value: Any) -> list[Any]:
    """Return what a slip would make of a value."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value * 10 + 7, 0]
    return [f"{value}x", value[:-1]] if isinstance(value, str) and "\n" not in value else []


def with_other(content: Object, path: Path, value: Any) -> Object:
    """Return an object with another value at a path."""
    changed = copy.deepcopy(content)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def objected(objects: tuple[Object, ...], number: int, changed: Object) -> bool:
    """Tell whether anything objects to a changed object; a check that can't even read it does."""
    try:
        validate(changed)
        return bool(complaints(Cluster((*objects[:number], changed, *objects[number + 1 :]))))
    except (InvalidObjectError, KeyError, ValueError, TypeError, StopIteration):
        return True


def main(overlay: str, *wanted: str) -> None:
    """Print what may be altered."""
    objects = overlays_of(overlay)
    for number, content in enumerate(objects):
        name = f"{content['kind']}/{content['metadata']['name']}"
        if name not in wanted:
            continue
        for path, value in leaves(content):
            passed = [each for each in others(value) if not objected(objects, number, with_other(content, path, each))]
            if passed:
                sys.stdout.write(f"{name} {'.'.join(map(str, path))}: {passed}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
