"""Dates, times, durations and numbers."""
