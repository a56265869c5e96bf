"""When skills were away is written down, so that a turn that nobody understood can be explained later."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from earshot_local import Stack
from earshot_local.absences import Absences, Away, away
from earshot_local.events import State
from support.stacks import dummy

ENDED = "ended with exit code 1 before it was ready"


@pytest.fixture
def clock(monkeypatch):
    """The time of the next lines."""
    now = [100.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def test_a_skill_is_away_until_one_of_its_processes_is_ready(tmp_path, clock):
    """Starting and crashed ones are; another replica makes up for it; how one ended stays told while it is started again."""
    path = tmp_path / "absences.jsonl"
    absences = Absences(path)
    absences.begin()
    story = [
        (101, "dice-0", State.STARTING, ""),
        (102, "dice-0", State.CRASHED, ENDED),
        (103, "dice-0", State.STARTING, ENDED),
        (104, "dice-0", State.READY, ENDED),
        (105, "dice-1", State.CRASHED, "was ended by SIGKILL"),
        (106, "dice-0", State.UNREADY, ENDED),
    ]
    for at, process, state, ending in story:
        clock[0] = at
        absences.note("dice", process, state, ending)
    told = {at: [(each.process, each.ending) for each in away(path, at + 0.5)] for at in (100, 101, 102, 103, 104, 105)}
    crashed = [("dice-0", ENDED)]
    assert told == {100: [], 101: [("dice-0", "")], 102: crashed, 103: crashed, 104: [], 105: []}
    assert [each.skill for each in away(path, 107)] == ["dice"]
    # A stack that starts knows nobody who was there before, and what was before is still told.
    clock[0] = 110
    Absences(path).begin()
    assert away(path, 111) == []
    assert [each.skill for each in away(path, 107)] == ["dice"]


def test_a_crash_loop_is_few_lines(tmp_path):
    """The same ending again and again is written once."""
    absences = Absences(tmp_path / "absences.jsonl")
    for _ in range(10):
        absences.note("dice", "dice-0", State.STARTING, ENDED)
        absences.note("dice", "dice-0", State.CRASHED, ENDED)
    assert len((tmp_path / "absences.jsonl").read_text().splitlines()) == 2


def test_what_is_not_there_or_half_written_tells_nothing(tmp_path):
    """No file, and a last line that is being written, are no reason to fail."""
    assert away(tmp_path / "none", 1) == []
    path = tmp_path / "absences.jsonl"
    Absences(path).note("dice", "dice-0", State.CRASHED, ENDED)
    with path.open("a") as more:
        more.write('{"at": 1, "ski')
    assert [each.skill for each in away(path, time.time() + 1)] == ["dice"]


async def test_a_stack_writes_down_a_skill_that_can_not_start(tmp_path):
    """While it can't start it is away, with how it ended; when it has been mended it is there, and was away all the same."""
    mended = tmp_path / "mended"
    async with Stack(
        home=tmp_path / "home",
        services=(dummy("asr"), replace(dummy("clock", "broken"), role="skill-clock")),
        env={"DUMMY_MENDED": str(mended)},
        tracestore=False,
    ) as stack:
        await stack.answering(20)
        broken = time.time()
        expected = [Away(skill="clock", process="clock-0", ending=ENDED)]
        assert away(stack.home.absences, broken) == expected
        mended.touch()
        await stack.restart("clock")
        assert away(stack.home.absences, time.time()) == []
        assert away(stack.home.absences, broken) == expected
