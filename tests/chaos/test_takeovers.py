"""Every stage is killed, frozen and restarted at the protocol's own points: every turn is answered rightly all the same.

Several devices talk at once, so that faults at different stages overlap. Each turn is ambushed once, by its own owner's
death, sleep or restart; what is heard is judged as in `make chaos`. Deadlines are long: this is about what is heard, not
about when.
"""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chaos.checker import Verdict, judge
from chaos.codewords import LOCALES
from chaos.gate import VARIABLE
from chaos.gatekeeping import Ambush, Gatekeeper
from chaos.history import History
from chaos.lines import COUNTER, ECHO, LAMP, LIST, Subject, line, words
from chaos.outside import URL, Outside
from chaos.phases import Board
from chaos.records import Guarantee, Inflicted, Turn
from chaos.schedule import Kind
from chaos.speaking import Line, Speaker
from chaos.system import device_settings, stack

DEATHS = (Kind.KILL, Kind.FREEZE)
ALL = (Kind.KILL, Kind.FREEZE, Kind.RESTART)
LAMP_POINT = "after effect of lamp"
# One device each, one turn for each kind of fault; every service is also restarted with a turn in its hands.
POINTS = (
    ("frame", ECHO, DEATHS),
    ("publish turn.transcribed", LAMP, ALL),
    ("ack asr", ECHO, DEATHS),
    ("publish turn.interpreted", COUNTER, ALL),
    ("ack nlu", ECHO, DEATHS),
    ("call echo", ECHO, ALL),
    (LAMP_POINT, LAMP, DEATHS),
    ("after effect of counter", COUNTER, DEATHS),
    ("claim outcome", LIST, ALL),
    ("write session", ECHO, DEATHS),
    ("ack dialogue", LIST, DEATHS),
    ("speech", ECHO, ALL),
    ("ack tts", ECHO, DEATHS),
)
# On one device, so that one replica is always there: a skill has less time than its turn.
LIST_AMBUSHES = (
    Ambush("before effect of list", Kind.KILL),
    Ambush("after effect of list", Kind.FREEZE),
    Ambush("after effect of list", Kind.KILL),
    Ambush("before effect of list", Kind.RESTART),
)
SEED = 1
MOST_TRIES = 4


def plans() -> list[list[tuple[Ambush, Subject]]]:
    """Return what happens to each device's turns; kinds take turns, so that not everything is killed at first."""
    found = [
        [(Ambush(point, kinds[(first + number) % len(kinds)]), subject) for number in range(len(kinds))]
        for first, (point, subject, kinds) in enumerate(POINTS)
    ]
    return [*found, [(ambush, LIST) for ambush in LIST_AMBUSHES]]


PATIENT = {
    "EARSHOT_ASR_DEADLINE_S": "30",
    "EARSHOT_DIALOGUE_ANSWER_WITHIN_S": "30",
    "EARSHOT_TTS_STALE_S": "120",
}
# The cloud's words, "I can't tell" among them, are waited for as long as an answer is: the device's own clip tells less.
PATIENT_DEVICE = {
    "answer_timeout_s": 40.0,
    "segment_timeout_s": 30.0,
    "speech_timeout_s": 30.0,
    "apology_timeout_s": 30.0,
}


def ambushed(keeper: Gatekeeper, speaker: str, locale: str, ambushes: list[tuple[Ambush, Subject]]) -> Iterator[Line]:
    """Lay one ambush after the other, and say something until somebody has walked into it.

    A turn may not come as far as its ambush: what happens to another one's may hit it first, and a lamp that may have
    been toggled is not asked again.
    """
    number = 0
    for ambush, subject in ambushes:
        keeper.lay(speaker, ambush)
        for _ in range(MOST_TRIES):
            number += 1
            seed = zlib.crc32(f"{SEED}/{speaker}/{number}".encode())
            yield line(subject, locale, seconds=1.0, seed=seed, pause_s=0.1, by=speaker)
            if not keeper.waits_for(speaker):
                break


def _during_a_lamp(fault: Inflicted, turns: Sequence[Turn]) -> bool:
    lamps = (turn for turn in turns if turn.expected.guarantee is Guarantee.AT_MOST_ONCE and turn.ended_at is not None)
    return any(lamp.began_at <= fault.began_at <= lamp.ended_at for lamp in lamps)


@pytest.mark.timeout(150)
async def test_every_turn_is_answered_whatever_dies_at_whatever_point(tmp_path):
    """The fixed list of faults, over all stages; the run's own history is printed for a turn that went wrong."""
    keeper, board, outside = Gatekeeper(), Board(), Outside()
    with tempfile.TemporaryDirectory() as short:
        socket = Path(short) / "gate"
        async with (
            keeper.open(socket),
            outside.open() as url,
            stack(tmp_path, environment=PATIENT | {VARIABLE: str(socket), URL: url}) as system,
        ):
            await system.ready()
            history = await History.of(system.nats_url, str(system.creds("admin")))
            speakers = []
            for number, plan in enumerate(plans()):
                locale = LOCALES[number % len(LOCALES)]
                settings = device_settings(
                    system, number, locale, capture_speed=2.0, playback_speed=4.0, **PATIENT_DEVICE
                )
                speakers.append(Speaker(settings, board, ambushed(keeper, settings.device_id, locale, plan)))
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for speaker in speakers:
                    group.create_task(speaker.converse(stop, 2.0))
            await history.close()
    count = sum(map(len, plans()))
    turns = [turn for speaker in speakers for turn in speaker.turns]
    faults = [inflicted for _, _, inflicted in keeper.sprung]
    judgement = judge(turns, outside.effects, faults, words())
    told = "\n\n".join(
        f"{offence.what}: {history.told(offence.turn, faults)}" for offence in judgement.offences if offence.turn
    )
    assert not judgement.offences, told
    assert judgement.count(Verdict.ANSWERED) + judgement.count(Verdict.UNKNOWN) == len(turns)
    # Only a lamp whose answer was lost may leave anybody in doubt: its own, or with the dialogue that asked, whoever's turn
    # was the reason.
    lost = sum(ambush.point == LAMP_POINT for _, ambush, _ in keeper.sprung)
    lost += sum(fault.stage == "dialogue" and _during_a_lamp(fault, turns) for fault in faults)
    assert judgement.count(Verdict.UNKNOWN) <= lost
    assert len(keeper.sprung) == count >= 30
    assert {fault.stage for fault in faults} == {"asr", "nlu", "dialogue", "echo", "list", "lamp", "counter", "tts"}
