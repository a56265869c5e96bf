"""Skill: a local music library, played on the device."""

import earshot_skillkit  # noqa: F401 - before structlog, which is leaner after it (earshot_chassis.lean)
