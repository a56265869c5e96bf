"""Skill: weather now and in the coming days, from Open-Meteo."""

import earshot_skillkit  # noqa: F401 - before httpx, which is leaner after it (earshot_chassis.lean)
