"""The scheduler service: timers, alarms and reminders."""
