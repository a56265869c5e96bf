"""A rolling restart under load: nobody hears it, and every turn's trace is whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from builds.running import ADDED, READ, Builds
from builds.stored import Stored
from chaos.checker import Verdict, judge
from chaos.codewords import DIGEST_PLACE, LOCALES
from chaos.history import History
from chaos.lines import words
from chaos.phases import Board, Phase
from chaos.records import Turn
from chaos.system import NOTE, REPLICAS, SERVICES, service, stack
from earshot_local.stack import Stack
from earshot_topology import attributes
from earshot_topology.subjects import DeviceAddress
from rolling.dialogues import TURNS, dialogues, speaker, whole_dialogues
from rolling.restarting import GRACE_S, Restart, metric, restart
from rolling.timers import Kitchen
from support.stack import converse

DEVICES = 3
PROCESSES = (
    *(each for each in SERVICES if each.name in {"asr", "nlu", "dialogue", "tts"}),
    NOTE,
    service("scheduler", "earshot_scheduler"),
    service("timers", "earshot_skill_timers", role="skill-timers"),
)
# What turns are doing when a service is asked to end. Three services at a time, of each one replica; timers become due all
# the time.
LANES = (
    {"asr": Phase.SPEAKING, "scheduler": Phase.RESTING, "tts": Phase.SOUNDING},
    {"nlu": Phase.WAITING, "timers": Phase.RESTING},
    {"dialogue": Phase.WAITING, "note": Phase.WAITING},
)
# Spans that a process has made in its last seconds are in the trace store only if it flushed them.
ENVIRONMENT = {
    "OTEL_BSP_SCHEDULE_DELAY": "3000",
    # No household speaks as quickly as these.
    "EARSHOT_ASR_QUOTA_UTTERANCES": "0",
    "EARSHOT_ASR_QUOTA_BYTES": "0",
}
LONG_S = 12.0
# What each replica comes back as.
BUILDS = ("next", "previous")

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run two of each service, with the trace store."""
    home = tmp_path_factory.mktemp("rolling")
    async with stack(home, services=PROCESSES, environment=ENVIRONMENT, tracestore=True, grace_s=GRACE_S) as running:
        await running.ready()
        yield running


async def typed(system: Stack, stop: asyncio.Event) -> list[str]:
    """Type one turn after the other, through whichever replica of the dialogue takes it; return the answers."""
    address, answers = DeviceAddress("home91", "typist91"), []
    while not stop.is_set():
        answer = await converse(system, "read my note", LOCALES[0], address)
        answers.append(answer.answer)
        await asyncio.sleep(0.2)
    return answers


async def _met(builds: Builds) -> None:
    """Return when each newer build has had something of another newer one, or it has taken too long.

    Of two replicas of each either may take a turn, so for a while none may have gone from the one to the other.
    """
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up and any(read not in builds.read(process) for process, read in READ.items()):
        await asyncio.sleep(0.2)


async def spans_of(system: Stack, turn_ids: list[str], wanted: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the spans of turns, as soon as they are whole with all the wanted services, or it has taken too long."""
    found: dict[str, list[dict[str, Any]]] = {turn: [] for turn in turn_ids}
    give_up = time.monotonic() + 15
    async with httpx.AsyncClient(base_url=system.traces_url, trust_env=False) as client:
        while time.monotonic() < give_up:
            missing = [
                turn
                for turn, spans in found.items()
                if not wanted <= {span["service"] for span in spans} or _stranded(spans)
            ]
            if not missing:
                break
            for turn in missing:
                answer = await client.get(f"/api/turns/{turn}")
                if answer.status_code == httpx.codes.OK:
                    found[turn] = answer.json()["spans"]
            await asyncio.sleep(0.3)
    return found


async def test_a_rolling_restart_of_every_service_is_not_heard(system: Stack, tmp_path: Path) -> None:
    """No turn, dialogue or span is lost, nothing is apologised for or done twice, every process ends by itself with 0.

    One replica of each comes back as a build whose contracts have more than the others', the other one as a build with the
    last release's contracts: that is not heard either, and what the newer ones have added passes through the others.
    """
    board, stop = Board(), asyncio.Event()
    builds, stored = Builds(tmp_path), await Stored.of(system)
    history = await History.of(system.nats_url, str(system.creds("admin")))
    speakers = [
        speaker(system, number, whole_dialogues(stop, dialogues(f"1/{number}", LOCALES[number % 2])), board)
        for number in range(DEVICES)
    ]
    restarts: list[Restart] = []
    kitchen = Kitchen(system)

    async def roll(lane: dict[str, Phase]) -> None:
        for name, moment in lane.items():
            for replica in range(REPLICAS):
                await board.next(moment)
                process = f"{name}-{replica}"
                restarts.append(await restart(system, process, builds.environment(process, BUILDS[replica])))

    async with asyncio.TaskGroup() as group:
        typing = group.create_task(typed(system, stop))
        ringing = group.create_task(kitchen.live(stop))
        for one in speakers:
            group.create_task(one.converse(asyncio.Event(), 1.0))
        await asyncio.gather(*map(roll, LANES))
        await _met(builds)
        stop.set()
    await history.close()
    await stored.close()
    turns = [turn for one in speakers for turn in one.turns]
    faults = [each.inflicted for each in restarts]
    judgement = judge(turns, [], faults, words())
    assert not judgement.offences, _told(judgement.offences, history, faults)
    assert judgement.count(Verdict.ANSWERED) == len(turns) >= DEVICES * TURNS * 2
    names = [f"{name}-{replica}" for lane in LANES for name in lane for replica in range(REPLICAS)]
    assert {each.name: each.exit_status for each in restarts} == dict.fromkeys(names, 0)
    assert [each.name for each in restarts if not each.drained] == []
    assert sum(each.seen_unready for each in restarts) > len(names) / 2
    assert set(typing.result()) == {"There is no note."}
    ringing.result()
    assert set(kitchen.answers) == {"timers.timer_set"}
    assert len(kitchen.rang) == len(set(kitchen.rang)) == len(kitchen.answers) > len(names)
    assert (stored.parked, stored.lost) == ([], [])
    assert builds.loaded() == builds.given
    assert {place: stored.added[place] & by for place, by in ADDED.items()} == ADDED
    assert {process: builds.read(process) & {read} for process, read in READ.items()} == {
        process: {read} for process, read in READ.items()
    }
    spoken = [turn for turn in turns if DIGEST_PLACE in turn.said]
    traced = await spans_of(
        system,
        [turn.turn_id for turn in spoken],
        {f"earshot-{name}" for name in ("asr", "nlu", "dialogue", "tts", "skill-chaos_note")},
    )
    assert {turn: _services(spans) for turn, spans in traced.items() if len(_services(spans)) < 5} == {}
    stranded = [(turn, span["service"], span["name"]) for turn, spans in traced.items() for span in _stranded(spans)]
    assert stranded == []


async def test_an_utterance_longer_than_a_drain_is_handed_over(system: Stack) -> None:
    """Its owner gives it up in time, and the other replica hears all of it from its first frame."""
    board = Board()
    asks = dialogues("long", LOCALES[0])
    answers = dialogues("long", LOCALES[0], seconds=(LONG_S, LONG_S))
    next(answers)
    one = speaker(system, 90, iter([next(asks), next(answers)]), board)
    talking = asyncio.create_task(one.converse(asyncio.Event(), 1.0))
    await board.next(Phase.RESTING)
    async with asyncio.timeout(20):
        owners: list[str] = []
        while not owners:
            names = [f"asr-{replica}" for replica in range(REPLICAS)]
            active = [await metric(system, name, "earshot_asr_active_utterances") for name in names]
            owners = [name for name, count in zip(names, active, strict=True) if count]
    ended = await restart(system, owners[0])
    await talking
    judgement = judge(one.turns, [], [ended.inflicted], words())
    assert [offence.what for offence in judgement.offences] == []
    assert judgement.verdicts == (Verdict.ANSWERED, Verdict.ANSWERED)
    assert (ended.exit_status, ended.drained) == (0, True)
    taken_over = await metric(
        system, "asr-1" if owners[0] == "asr-0" else "asr-0", "earshot_message_redeliveries_total"
    )
    assert taken_over == 1


async def test_all_services_end_in_time_while_the_bus_is_away(system: Stack) -> None:
    """SIGTERM to everything at once, without a bus, then again: each process ends by itself with 0, within its grace time."""
    await system.processes["nats-server"].stop()
    services = [child for name, child in system.processes.items() if name not in ("nats-server", "tracestore")]
    first = {child.pid for child in services}
    for pid in first:
        os.kill(pid, signal.SIGTERM)
    # The second one; whoever does not end within its grace time is killed, and that is its exit status.
    await asyncio.gather(*(child.stop() for child in services))
    assert {child.name: child.exit_status for child in services} == {child.name: 0 for child in services}
    # What nobody could be told is told in the log, and nothing failed on the way out.
    for child in services:
        logged = _logged(child.program.log)
        assert logged[-1]["event"] == "stopped", child.name
        assert [text for text in logged if text["event"] in ("hook_failed", "task_ended")] == []


def _logged(log: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in log.read_text().splitlines() if text.startswith("{")]


def _stranded(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return attempts that never sent a span of their own: drawn by whoever had the message next."""
    return [span for span in spans if span["attributes"].get(attributes.RECONSTRUCTED)]


def _services(spans: list[dict[str, Any]]) -> set[str]:
    return {span["service"] for span in spans if span["service"].startswith("earshot-")}


def _told(offences: Any, history: History, faults: Any) -> str:
    told: list[str] = []
    for offence in offences:
        turn: Turn | None = offence.turn
        told.append(f"{offence.what}: {history.told(turn, faults) if turn else ''}")
    return "\n\n".join(told)
