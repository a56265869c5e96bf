"""Runs the timers skill."""

from __future__ import annotations

from earshot_skill_timers.skill import Timers
from earshot_skillkit import run

if __name__ == "__main__":
    run("earshot_skill_timers", Timers)
