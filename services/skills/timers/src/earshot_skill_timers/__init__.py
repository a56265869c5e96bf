"""Skill: timers and alarms."""
