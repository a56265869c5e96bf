"""What the dialogue counts."""

from __future__ import annotations

from earshot_chassis import telemetry

TURNS = telemetry.counter("earshot.turns", "Turns that were decided here, by kind of outcome and error code.")
TURN_DURATION = telemetry.histogram(
    "earshot.dialogue.turn.duration", "Time from the interpretation's delivery to the outcome's claim."
)
LOST_CLAIMS = telemetry.counter("earshot.dialogue.claims.lost", "Turns that somebody else had decided first.")
DEADLINES = telemetry.counter("earshot.dialogue.deadlines", "Deadlines that became due, by what came of them.")
ANNOUNCEMENTS = telemetry.counter("earshot.announcements", "Announcements of rings that became outcomes.")
ANNOUNCEMENTS_REFUSED = telemetry.counter(
    "earshot.announcements.refused", "Announcements beyond what a household may have."
)
DEVICE_EVENTS = telemetry.counter("earshot.device.events", "Device events, by type.")
CONCEALED_FRAMES = telemetry.counter("earshot.device.frames.concealed", "Frames that devices filled with silence.")
