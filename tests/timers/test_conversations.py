"""Timers and alarms over several turns: questions and their answers, ringing, calls that come again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from earshot_nlu.understanding.interpreter import Interpreter
from earshot_skillkit import (
    Answer,
    Effect,
    MemoryScheduler,
    NewSchedule,
    Schedule,
    ScheduleKind,
    SchedulesUnavailableError,
)
from support.conversing import Conversation
from support.timing import NEW_YORK, WEDNESDAY, busy_kitchen, kitchen

# Turns in the busy kitchen: what is said, what is heard.
DIALOGUES = [
    ("en-US", [("set a timer", "For how long?"), ("ten minutes", "Timer set for 10 minutes.")]),
    ("en-US", [("set a rice timer", "For how long?"), ("make it half an hour", "Rice timer set for 30 minutes.")]),
    (
        "en-US",
        [("set a timer", "For how long?"), ("bananas", "For how long?"), ("two hours", "Timer set for 2 hours.")],
    ),
    ("en-US", [("set a timer", "For how long?"), ("never mind", "Okay, never mind.")]),
    (
        "en-US",
        [
            ("cancel the timer", "Which one: the pasta timer, the 10 minute timer, or the tea timer?"),
            ("the pasta timer", "Pasta timer cancelled."),
            ("cancel the timer", "Which one: the 10 minute timer or the tea timer?"),
            ("the ten minute one", "10 minute timer cancelled."),
            ("cancel the timer", "Tea timer cancelled."),
            ("cancel the timer", "You have no timers."),
            ("how much time is left", "You have no timers."),
        ],
    ),
    (
        "en-US",
        [
            ("add five minutes", "Which one: the pasta timer, the 10 minute timer, or the tea timer?"),
            ("tea", "Added 5 minutes. The tea timer has 8 minutes left."),
        ],
    ),
    (
        "en-US",
        [
            ("pause the timer", "Which one: the pasta timer or the 10 minute timer?"),
            ("both", "2 timers paused."),
            ("pause the timer", "It is not running."),
            ("resume all timers", "3 timers go on."),
        ],
    ),
    (
        "en-US",
        [
            ("set a pasta timer for three minutes", "Another pasta timer set for 3 minutes. That makes 2."),
            (
                "cancel the pasta timer",
                "Which one: the pasta timer with 3 minutes left or the pasta timer with 7 minutes left?",
            ),
            ("the first one", "Pasta timer cancelled."),
            ("how long is left on the pasta timer", "The pasta timer has 7 minutes left."),
        ],
    ),
    ("en-US", [("set an alarm", "At what time?"), ("seven thirty", "Alarm set for 7:30 p.m. today.")]),
    ("en-US", [("set an alarm for tomorrow", "At what time?"), ("seven thirty", "Alarm set for 7:30 a.m. tomorrow.")]),
    ("en-US", [("set an alarm for tomorrow", "At what time?"), ("at 9 pm", "Alarm set for 9 p.m. tomorrow.")]),
    ("en-US", [("wake me up tomorrow morning", "At what time?"), ("four", "Alarm set for 4 a.m. tomorrow.")]),
    ("en-US", [("set an alarm every weekday", "At what time?"), ("six", "Alarm set for 6 a.m. every weekday.")]),
    (
        "en-US",
        [
            ("cancel my alarm", "Which one: 7 a.m. every weekday or 9 a.m. on Saturday?"),
            ("the nine o'clock one", "Alarm for 9 a.m. on Saturday cancelled."),
            ("move my alarm", "To what time?"),
            ("six thirty", "Alarm moved to 6:30 a.m. tomorrow, this time only."),
            ("when is my next alarm", "Your next alarm is at 6:30 a.m. tomorrow."),
            ("cancel my alarm", "Alarm for 7 a.m. every weekday cancelled."),
            ("cancel my alarm", "You have no alarms."),
        ],
    ),
    (
        "en-US",
        [
            ("move my alarm to ten", "Which one: 7 a.m. every weekday or 9 a.m. on Saturday?"),
            ("the last one", "Alarm moved to 10 a.m. on Saturday."),
        ],
    ),
    ("zh-CN", [("定一个计时器", "要计时多久？"), ("十分钟", "好的，计时10分钟。")]),
    ("zh-CN", [("定一个计时器", "要计时多久？"), ("香蕉", "要计时多久？"), ("算了", "好的，不用了。")]),
    (
        "zh-CN",
        [
            ("取消计时器", "哪一个：面条计时器，10分钟的计时器，还是泡茶计时器？"),
            ("面条", "面条计时器取消了。"),
            ("取消计时器", "哪一个：10分钟的计时器，还是泡茶计时器？"),
            ("十分钟的", "10分钟的计时器取消了。"),
            ("取消计时器", "泡茶计时器取消了。"),
            ("取消计时器", "现在没有计时器。"),
        ],
    ),
    (
        "zh-CN",
        [("暂停计时器", "哪一个：面条计时器，还是10分钟的计时器？"), ("第二个", "10分钟的计时器暂停了，还剩9分钟。")],
    ),
    ("zh-CN", [("设一个明天的闹钟", "几点？"), ("七点半", "好的，闹钟定在明天早上七点半。")]),
    ("zh-CN", [("取消闹钟", "哪一个：每个工作日早上七点，还是周六上午九点？"), ("全部", "2个闹钟都取消了。")]),
    (
        "zh-CN",
        [("把闹钟改到十点", "哪一个：每个工作日早上七点，还是周六上午九点？"), ("九点的", "闹钟改到了周六上午十点。")],
    ),
]


@pytest.mark.parametrize(
    ("locale", "turns"), DIALOGUES, ids=[f"{locale}: {turns[0][0]}, {turns[1][0]}" for locale, turns in DIALOGUES]
)
async def test_dialogue(interpreter: Interpreter, locale: str, turns: Sequence[tuple[str, str]]) -> None:
    """What is missing or could be several is asked for, and a short reply is enough."""
    conversation = Conversation(await busy_kitchen(locale), interpreter, locale)
    assert [(said, await conversation.say(said)) for said, _ in turns] == list(turns)


RINGING = [
    ("en-US", "snooze", "Okay, again in 10 minutes."),
    ("en-US", "snooze for five minutes", "Okay, again in 5 minutes."),
    ("en-US", "dismiss", "Okay."),
    ("en-US", "i'm up", "Okay."),
    ("en-US", "stop the timer", "Okay."),
    ("en-US", "cancel the pasta timer", "Okay."),
    ("en-US", "turn it off", "Okay."),
    ("zh-CN", "再睡五分钟", "好的，5分钟后再叫你。"),
    ("zh-CN", "知道了", "好的。"),
    ("zh-CN", "关掉计时器", "好的。"),
    ("zh-CN", "把面条计时器关掉", "好的。"),
]


@pytest.mark.parametrize(("locale", "said", "answer"), RINGING)
async def test_what_rings_is_put_off_or_stopped(interpreter: Interpreter, locale: str, said: str, answer: str) -> None:
    """While a timer rings, these stop it, and the timers that only run are left alone."""
    tester = await busy_kitchen(locale)
    conversation = Conversation(tester, interpreter, locale)
    tester.now += timedelta(minutes=8)
    assert isinstance(tester.scheduler, MemoryScheduler)
    assert len(tester.scheduler.ringing("household")) == 1
    assert await conversation.say(said) == answer
    assert not tester.scheduler.ringing("household")
    left = {timer.length for timer in await _timers(tester.scheduler, tester.now)}
    assert {timedelta(minutes=10), timedelta(minutes=3)} <= left


async def test_snoozed_timer_rings_again(interpreter: Interpreter) -> None:
    """What was put off rings when that time is over, and not before."""
    tester = kitchen()
    conversation = Conversation(tester, interpreter)
    await conversation.say("set a timer for one minute")
    tester.now += timedelta(minutes=1)
    await conversation.say("snooze for five minutes")
    tester.now += timedelta(minutes=4, seconds=59)
    assert isinstance(tester.scheduler, MemoryScheduler)
    assert not tester.scheduler.ringing("household")
    tester.now += timedelta(seconds=1)
    assert tester.scheduler.ringing("household")
    assert await conversation.say("how much time is left") == "The 6 minute timer is up."


async def test_repeating_alarm_goes_on_after_it_was_turned_off(interpreter: Interpreter) -> None:
    """Turning off a repeating alarm that rings stops this ringing; the next one comes the next day."""
    tester = kitchen()
    conversation = Conversation(tester, interpreter)
    assert await conversation.say("wake me up every day at 7 am") == "Alarm set for 7 a.m. every day."
    tester.now = datetime(2026, 11, 19, 7, 0, 5, tzinfo=NEW_YORK)
    assert await conversation.say("turn off the alarm") == "Okay."
    assert await conversation.say("when is my next alarm") == "Your next alarm is at 7 a.m. tomorrow."
    assert await conversation.say("turn off the alarm") == "Alarm for 7 a.m. every day cancelled."


AGAIN = [
    ("set a rice timer for five minutes", "Rice timer set for 5 minutes."),
    ("add five minutes to the pasta timer", "Added 5 minutes. The pasta timer has 12 minutes left."),
    ("take four minutes off the pasta timer", "Took off 4 minutes. The pasta timer has 3 minutes left."),
    ("pause the pasta timer", "The pasta timer is paused with 7 minutes left."),
    ("resume the timer", "The tea timer goes on with 3 minutes left."),
    ("cancel the pasta timer", "Pasta timer cancelled."),
    ("cancel all timers", "All 3 timers cancelled."),
    ("set an alarm for eight", "Alarm set for 8 p.m. today."),
    ("cancel the seven o'clock alarm", "Alarm for 7 a.m. every weekday cancelled."),
    ("move my nine o'clock alarm to ten", "Alarm moved to 10 a.m. on Saturday."),
]


@pytest.mark.parametrize(("said", "answer"), AGAIN)
async def test_repeated_call_does_it_once_and_says_the_same(interpreter: Interpreter, said: str, answer: str) -> None:
    """A call that comes again changes nothing more, although what is there is no longer what it was."""
    tester = await busy_kitchen("en-US")
    conversation = Conversation(tester, interpreter)
    assert await conversation.say(said) == answer
    after = await _everything(tester.scheduler, tester.now)
    assert await conversation.again() == answer
    assert await conversation.again() == answer
    assert await _everything(tester.scheduler, tester.now) == after


async def test_repeated_snooze_puts_off_once(interpreter: Interpreter) -> None:
    """The second attempt finds nothing that rings, and says what the first one said."""
    tester = await busy_kitchen("en-US")
    conversation = Conversation(tester, interpreter)
    tester.now += timedelta(minutes=8)
    assert await conversation.say("snooze") == "Okay, again in 10 minutes."
    after = await _everything(tester.scheduler, tester.now)
    assert await conversation.again() == "Okay, again in 10 minutes."
    assert await _everything(tester.scheduler, tester.now) == after


async def test_timer_that_is_over_meanwhile(interpreter: Interpreter) -> None:
    """What has gone between looking and doing is said to be over."""
    tester = await busy_kitchen("en-US")

    class Vanishing(MemoryScheduler):
        async def listed(self, *args: object, **more: object) -> tuple[Schedule, ...]:
            found = await super().listed(*args, **more)  # type: ignore[arg-type]
            for each in found:
                await super().delete(args[0], each.schedule_id, request_id=each.schedule_id, deadline=WEDNESDAY)  # type: ignore[arg-type]
            return found

    vanishing = Vanishing(lambda: tester.now)
    other = kitchen(scheduler=vanishing)
    await Conversation(other, interpreter).say("set a timer for one minute")
    conversation = Conversation(other, interpreter)
    assert await conversation.say("cancel the timer") == "It is over by now."
    (last,) = conversation.steps
    assert isinstance(last, Answer)
    assert last.effect is Effect.FAILED


async def test_limits_are_told(interpreter: Interpreter) -> None:
    """A household that has as many as it may is told so, and nothing is set."""
    tester = kitchen(scheduler=MemoryScheduler(lambda: WEDNESDAY, most=1))
    conversation = Conversation(tester, interpreter)
    await conversation.say("set a timer for one minute")
    full = "You have as many timers and alarms as there can be. Cancel some first."
    assert await conversation.say("set a timer for two minutes") == full
    assert await conversation.say("set an alarm for eight") == full


async def test_scheduler_that_is_away_is_an_error(interpreter: Interpreter) -> None:
    """Nothing is made up: the error goes to the dialogue, which apologises."""

    class Away(MemoryScheduler):
        async def create(self, *_: object, **__: object) -> Schedule:
            raise SchedulesUnavailableError("away")

    with pytest.raises(SchedulesUnavailableError):
        await Conversation(kitchen(scheduler=Away(lambda: WEDNESDAY)), interpreter).say("set a timer for one minute")


async def test_other_rooms_come_second(interpreter: Interpreter) -> None:
    """A name is looked for on the asking device, then in the whole household."""
    tester = await busy_kitchen("en-US")
    upstairs = NewSchedule(
        household_id="household",
        device_id="bedroom",
        kind=ScheduleKind.TIMER,
        label="nap",
        length=timedelta(minutes=20),
    )
    await tester.scheduler.create(upstairs, request_id="nap", deadline=tester.now)
    conversation = Conversation(tester, interpreter)
    assert await conversation.say("how long is left on the nap timer") == "The nap timer has 20 minutes left."
    assert await conversation.say("cancel all timers") == "All 3 timers cancelled."
    assert await conversation.say("how much time is left") == "The nap timer has 20 minutes left."


async def _timers(scheduler: object, now: datetime) -> tuple[Schedule, ...]:
    assert isinstance(scheduler, MemoryScheduler)
    return await scheduler.listed("household", device_id="", kinds=(ScheduleKind.TIMER,), deadline=now)


async def _everything(scheduler: object, now: datetime) -> tuple[Schedule, ...]:
    assert isinstance(scheduler, MemoryScheduler)
    return await scheduler.listed("household", device_id="", kinds=(), deadline=now)
