"""Skill: time and date, here and elsewhere."""
