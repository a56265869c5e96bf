"""Turns that were not understood, and the skills that might have: those of this machine that were away at the time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earshot_local.absences import Away, away

# Of words that no skill knows: dialogue says that it did not understand, or asr that nobody spoke to us.
_NOT_UNDERSTOOD = frozenset({"not_understood", "not_for_us"})


def with_absent(turn: Mapping[str, Any], absences: Path) -> dict[str, Any]:
    """Return a turn with `skills_away`: which may be why it was not understood, or was not fulfilled.

    A skill that is away is not known: its sentences are not understood. Of a turn that was understood, its own skill counts.
    """
    began_s = (turn["started_ns"] or turn["heard_ns"]) / 1e9
    ended_s = (turn["decided_ns"] or turn["heard_ns"]) / 1e9
    # One that came or went in between counts, too.
    found = {each.skill: each for at in (ended_s, began_s) for each in away(absences, at)}
    own = turn["intent"].partition(".")[0]
    if turn["error_code"] not in _NOT_UNDERSTOOD:
        found = {skill: each for skill, each in found.items() if turn["error_code"] and skill == own}
    return {**turn, "skills_away": [_document(each) for _, each in sorted(found.items())]}


def hints(document: Mapping[str, Any], absences: Path) -> list[str]:
    """Tell of skills that are away, after a turn of the command's own that nobody understood; by its document."""
    if document["intent"] or document["kind"] not in {"answered", "rejected"}:
        return []
    return [told(_document(each)) for each in away(absences, time.time())]


def told(absent: Mapping[str, str]) -> str:
    """Tell of a skill that was away, and where to look."""
    how = f"{absent['process']} {absent['ending']}" if absent["ending"] else f"{absent['process']} was not ready"
    return f"skill {absent['skill']} was away: {how} (earshot status)"


def _document(each: Away) -> dict[str, str]:
    return {"skill": each.skill, "process": each.process, "ending": each.ending}
