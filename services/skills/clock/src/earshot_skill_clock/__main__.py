"""Runs the clock skill."""

from __future__ import annotations

from earshot_skill_clock.skill import Clock
from earshot_skillkit import run

if __name__ == "__main__":
    run("earshot_skill_clock", Clock)
