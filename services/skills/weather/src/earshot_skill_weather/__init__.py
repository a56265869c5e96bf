"""Skill: weather now and in the coming days, from Open-Meteo."""
