"""A kitchen for tests of the timers skill: it is a Wednesday morning, and a few timers and alarms are set."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from earshot_nlu.understanding.interpreter import Interpreter
from earshot_skill_timers.skill import Timers
from earshot_skillkit import ScheduleKind, load_package
from earshot_skillkit.schedules import NewSchedule, Scheduler, SetPaused
from earshot_skillkit.testing import SkillTester
from support.understanding import assistant_words, real_skill, real_skills, taught

NEW_YORK = ZoneInfo("America/New_York")
WEDNESDAY = datetime(2026, 11, 18, 10, 30, tzinfo=NEW_YORK)
NAMES = {"en-US": ("pasta", "tea"), "zh-CN": ("面条", "泡茶")}
PACKAGE = load_package("earshot_skill_timers")


def everything_taught() -> Interpreter:
    """Return NLU with every skill of the repository."""
    return taught([word for name in real_skills() for word in real_skill(name)] + assistant_words())


def kitchen(now: datetime = WEDNESDAY, scheduler: Scheduler | None = None) -> SkillTester:
    """Return the skill in a kitchen without timers."""
    return SkillTester(PACKAGE, Timers, now=now, time_zone="America/New_York", scheduler=scheduler)


async def busy_kitchen(locale: str) -> SkillTester:
    """Return the skill in a kitchen where much is going on.

    A minute ago were set: pasta for 8 minutes, one without a name for 10, and tea for 3, which was paused. There are
    alarms at 7 on weekdays and at 9 on Saturday.
    """
    tester = kitchen(WEDNESDAY - timedelta(minutes=1))
    pasta, tea = NAMES[locale]
    for label, minutes in ((pasta, 8), ("", 10), (tea, 3)):
        timer = await set_one(tester, ScheduleKind.TIMER, label, length=timedelta(minutes=minutes))
    await tester.scheduler.update("household", timer, SetPaused(paused=True), request_id="tea", deadline=tester.now)
    weekdays = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
    await set_one(tester, ScheduleKind.ALARM, "seven", local_time=time(7), recurrence=weekdays)
    saturday = datetime(2026, 11, 21, 9, 0, tzinfo=NEW_YORK)
    await set_one(tester, ScheduleKind.ALARM, "nine", due=saturday)
    tester.now = WEDNESDAY
    return tester


async def set_one(tester: SkillTester, kind: ScheduleKind, label: str, **how: object) -> str:
    """Set a schedule past the skill; return its id. Alarms have no names."""
    new = NewSchedule(
        household_id="household",
        device_id="device",
        kind=kind,
        label=label if kind is ScheduleKind.TIMER else "",
        time_zone="America/New_York",
        **how,  # type: ignore[arg-type]
    )
    made = await tester.scheduler.create(new, request_id=f"{kind}.{label}", deadline=tester.now)
    return made.schedule_id
