"""What the scheduler counts."""

from __future__ import annotations

from earshot_chassis import telemetry

ARMED = telemetry.counter("earshot.scheduler.armed", "Ringings that were armed, by kind.")
DUE = telemetry.counter("earshot.scheduler.due", "What became due, by what came of it.")
MISSED = telemetry.counter("earshot.scheduler.missed", "Occurrences that were due while nobody was there for too long.")
UNTRACED = telemetry.counter("earshot.scheduler.untraced", "Ringings of crowds that got no trace of their own.")
LATE = telemetry.histogram(
    "earshot.scheduler.late",
    "From an occurrence's moment to its ringing being stored.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0),
)
CHANGES = telemetry.counter("earshot.scheduler.changes", "Changes, by what and by whom.")
