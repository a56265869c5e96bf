"""The timers skill: its handlers, put together."""

from __future__ import annotations

from earshot_skill_timers.alarms import AlarmIntents
from earshot_skill_timers.ringing import RingingIntents
from earshot_skill_timers.timers import TimerIntents


class Timers(TimerIntents, AlarmIntents, RingingIntents):
    """Answers every intent of timers and alarms.

    A call may come again when its first attempt has already cancelled or moved something: which schedules it is about is
    written down before they are touched, and the scheduler carries out each change of a call once.
    """
