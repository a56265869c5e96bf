"""The reasons that conditions of a Skill may have, as the operator's README promises them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[3] / "services" / "operator" / "README.md"
_NAMES = re.compile(r"`([A-Z][A-Za-z]+)`")


@functools.cache
def promised() -> frozenset[tuple[str, str, str]]:
    """Return type, status and reason of every condition that there may be."""
    lines = README.read_text().splitlines()
    passing = {name for line in _table(lines, "| `Degraded` | `kubectl` shows") for name in _NAMES.findall(line)[:1]}
    found, type_, status = set(), "", ""
    for line in _table(lines, "| condition |"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        type_, status = cells[0].strip("`") or type_, cells[1] or status
        reasons = set(_NAMES.findall(cells[2])) | (passing if "next table" in cells[2] else set())
        found |= {(type_, status, reason) for reason in reasons}
    return frozenset(found)


def check(conditions: Iterable[Mapping[str, Any]]) -> None:
    """Look whether conditions are among those that are promised."""
    told = {(each["type"], each["status"], each["reason"]) for each in conditions}
    assert told <= promised(), told - promised()


def _table(lines: list[str], head: str) -> Iterator[str]:
    begin = next(number for number, line in enumerate(lines) if line.startswith(head))
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            return
        yield line
