"""Every stage is killed, frozen and restarted at the protocol's own points: every turn is answered rightly all the same.

Several devices talk at once, so that faults at different stages overlap. Each turn is ambushed once, by its own owner's
death, sleep or restart; what is heard is judged as in `make chaos`. Deadlines are long: this is about what is heard, not
about when.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.checker import Verdict, judge
from chaos.codewords import LOCALES
from chaos.gate import VARIABLE
from chaos.gatekeeping import Ambush, Gatekeeper
from chaos.history import History
from chaos.lines import ECHO, line, words
from chaos.phases import Board
from chaos.schedule import Kind
from chaos.speaking import Line, Speaker
from chaos.system import device_settings, stack

POINTS = (
    "frame",
    "publish turn.transcribed",
    "ack asr",
    "publish turn.interpreted",
    "ack nlu",
    "call echo",
    "claim outcome",
    "write session",
    "ack dialogue",
    "speech",
    "ack tts",
)
AMBUSHES = tuple(Ambush(point, kind) for kind in (Kind.KILL, Kind.FREEZE, Kind.RESTART) for point in POINTS)
DEVICES = 11
SEED = 1
PATIENT = {
    "EARSHOT_ASR_DEADLINE_S": "30",
    "EARSHOT_DIALOGUE_ANSWER_WITHIN_S": "30",
    "EARSHOT_TTS_STALE_S": "120",
}
PATIENT_DEVICE = {"answer_timeout_s": 40.0, "segment_timeout_s": 30.0, "speech_timeout_s": 30.0}


def ambushed(keeper: Gatekeeper, speaker: str, locale: str, ambushes: list[Ambush]) -> Iterator[Line]:
    """Lay an ambush for each turn, and say something."""
    for number, ambush in enumerate(ambushes):
        keeper.lay(speaker, ambush)
        seed = zlib.crc32(f"{SEED}/{speaker}/{number}".encode())
        yield line(ECHO, locale, seconds=1.0, seed=seed, pause_s=0.1, by=speaker)


@pytest.mark.timeout(150)
async def test_every_turn_is_answered_whatever_dies_at_whatever_point(tmp_path):
    """The fixed list of faults, over all stages; the run's own history is printed for a turn that went wrong."""
    keeper, board = Gatekeeper(), Board()
    with tempfile.TemporaryDirectory() as short:
        socket = Path(short) / "gate"
        async with keeper.open(socket), stack(tmp_path, environment=PATIENT | {VARIABLE: str(socket)}) as system:
            await system.ready()
            history = await History.of(system.nats_url, str(system.creds("admin")))
            shares: dict[int, list[Ambush]] = defaultdict(list)
            for number, ambush in zip(itertools.cycle(range(DEVICES)), AMBUSHES):
                shares[number].append(ambush)
            speakers = []
            for number, share in shares.items():
                locale = LOCALES[number % len(LOCALES)]
                settings = device_settings(
                    system, number, locale, capture_speed=2.0, playback_speed=4.0, **PATIENT_DEVICE
                )
                speakers.append(Speaker(settings, board, ambushed(keeper, settings.device_id, locale, share)))
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for speaker in speakers:
                    group.create_task(speaker.converse(stop, 2.0))
            await history.close()
    turns = [turn for speaker in speakers for turn in speaker.turns]
    faults = [inflicted for _, _, inflicted in keeper.sprung]
    judgement = judge(turns, [], faults, words())
    told = "\n\n".join(
        f"{offence.what}: {history.told(offence.turn, faults)}" for offence in judgement.offences if offence.turn
    )
    assert not judgement.offences, told
    assert judgement.count(Verdict.ANSWERED) == len(AMBUSHES)
    assert not keeper.waiting
    assert len(keeper.sprung) == len(AMBUSHES) >= 30
    assert {fault.stage for fault in faults} == {"asr", "nlu", "dialogue", "echo", "tts"}
