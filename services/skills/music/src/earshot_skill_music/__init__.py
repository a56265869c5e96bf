"""Skill: a local music library, played on the device."""
