"""When skills were away: what is said to one of them meanwhile is not understood, and nothing in its turn says why.

A line each in the state folder: the stack has started, and nobody is there yet; a skill's process is ready; it is not, and how it
ended, if it did. A skill is away as long as none of its processes is ready.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot_local.events import State

# Kept over a start: lines of months, or of hours in which a skill ended every ten seconds.
_KEPT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A skill that was away at a moment.

    Attributes:
        skill: Its id.
        process: One of its processes.
        ending: How that one had ended, in words; empty: it had not, and was starting.
    """

    skill: str
    process: str
    ending: str


class Absences:
    """Writes down when skills come and go; what can't be written is let go, as a full disk is no reason to stop anything."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, tuple[bool, str]] = {}

    def begin(self) -> None:
        """Say that a stack starts: nobody is there yet."""
        with contextlib.suppress(OSError):
            lines = self._path.read_text().splitlines(keepends=True) if self._path.exists() else []
            self._path.write_text("".join(lines[-_KEPT:]))
        self._write({"start": True})

    def note(self, skill: str, process: str, state: State | None, ending: str) -> None:
        """Note the state of a skill's process, if it tells something new."""
        if state is State.READY:
            told = (True, "")
        elif state in {State.STARTING, State.WAITING} and process in self._told:
            # How it ended is what there is to know of it until it is ready.
            return
        else:
            told = (False, ending if state is State.CRASHED else "")
        if self._told.get(process) != told:
            self._told[process] = told
            self._write({"skill": skill, "process": process, "ready": told[0], "ending": told[1]})

    def _write(self, line: dict[str, Any]) -> None:
        with contextlib.suppress(OSError), self._path.open("a") as absences:
            absences.write(json.dumps({"at": time.time(), **line}) + "\n")


def away(path: Path, at: float) -> list[Away]:
    """Return which skills were away at a moment, Unix seconds; none where nothing was written down."""
    latest: dict[str, dict[str, Any]] = {}
    for line in _lines(path):
        if line["at"] > at:
            break
        if "start" in line:
            latest.clear()
        else:
            latest[line["process"]] = line
    there = {line["skill"] for line in latest.values() if line["ready"]}
    gone = {line["skill"]: line for line in latest.values() if line["skill"] not in there}
    return [Away(skill=skill, process=line["process"], ending=line["ending"]) for skill, line in sorted(gone.items())]


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        written = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in written:
        # The last one may be being written.
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found
