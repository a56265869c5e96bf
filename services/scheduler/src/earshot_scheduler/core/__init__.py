"""Schedules as values: what changes them, when they are due and what becomes of that. Pure."""
