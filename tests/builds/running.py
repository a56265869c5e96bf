"""Builds of services, and what became of them in a running stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from builds.contracts import Contracts, next_contracts, previous_contracts

# Where additions have to be found on the bus, and by whom. All of these but `Outcome` and `Session` have passed through a
# dialogue that knows nothing of them; a schedule's are a skill's that the scheduler knows nothing of.
ADDED: Final = {
    "TurnInterpreted.turn": {"asr-0"},
    "Outcome": {"dialogue-0"},
    "Outcome.turn": {"asr-0"},
    "Outcome.hypothesis": {"nlu-0"},
    "Outcome.hypothesis.slots": {"nlu-0"},
    "Outcome.prompts": {"note-0", "timers-0"},
    "Session": {"dialogue-0"},
    "Session.last_hypothesis": {"nlu-0"},
    "ScheduleRecord": {"scheduler-0"},
    "ScheduleRecord.schedule": {"timers-0"},
}
# What newer builds have to read of each other, across older ones.
READ: Final = {
    "nlu-0": ("TurnTranscribed.turn", "asr-0"),
    "dialogue-0": ("TurnInterpreted.hypotheses", "nlu-0"),
    "note-0": ("HandleRequest.turn", "asr-0"),
    "timers-0": ("HandleRequest.slots", "nlu-0"),
    "scheduler-0": ("CreateScheduleRequest.schedule", "timers-0"),
    "tts-0": ("Outcome.prompts", "note-0"),
}


class Builds:
    """Builds with the next and with the previous contracts.

    Args:
        folder: Where to make them.

    Attributes:
        given: Which build each process was given last.
    """

    def __init__(self, folder: Path) -> None:
        self._record = folder / "record"
        self._record.mkdir()
        self._made = {made.name: made for made in (next_contracts(folder), previous_contracts(folder))}
        self.given: dict[str, str] = {}

    def environment(self, process: str, build: str) -> Mapping[str, str]:
        """Return what makes a process a build, and remember that it is one."""
        self.given[process] = build
        return self._made[build].environment(self._record)

    def contracts(self, build: str) -> Contracts:
        """Return a build's contracts."""
        return self._made[build]

    def loaded(self) -> dict[str, str]:
        """Return which build each process that was given one says that it is."""
        told = {process: said for process, (where, said) in self._lines() if where == "loaded"}
        builds = {process: said.split() for process, said in told.items() if process in self.given}
        return {process: build for process, (build, version) in builds.items() if version.endswith(f"+{build}")}

    def read(self, process: str) -> set[tuple[str, str]]:
        """Return where a process has read additions, and by whom."""
        return {(where, by) for name, (where, by) in self._lines() if name == process and where != "loaded"}

    def _lines(self) -> list[tuple[str, tuple[str, str]]]:
        files = sorted(self._record.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
        return [
            (file.name.split(".")[0], tuple(json.loads(line)))
            for file in files
            for line in file.read_text().splitlines()
        ]
