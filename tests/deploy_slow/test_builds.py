"""Each service is deployed when its team likes: with newer or older contracts than everybody else's, under live turns."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
import pytest_asyncio

from builds.contracts import PROTOS, RELEASED, broken_contracts
from builds.running import Builds
from builds.stored import Stored
from builds.typist import COMMANDS, Typist, ask
from chaos.checker import judge
from chaos.codewords import LOCALES
from chaos.lines import words
from chaos.phases import Board
from chaos.speaking import Speaker
from chaos.system import NOTE, REPLICAS, SERVICES, service, stack
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from rolling.dialogues import TURNS, dialogues, speaker, whole_dialogues
from rolling.restarting import Restart, restart
from rolling.timers import Kitchen
from support.buf import buf
from support.stack import converse

SKILLS: Final = ("clock", "music", "timers", "weather")
PROCESSES: Final = (
    *(each for each in SERVICES if each.name in {"asr", "nlu", "dialogue", "tts"}),
    NOTE,
    service("scheduler", "earshot_scheduler"),
    *(service(name, f"earshot_skill_{name}", role=f"skill-{name}") for name in SKILLS),
)
NAMES: Final = tuple(each.name for each in PROCESSES)
ENVIRONMENT: Final = {"EARSHOT_ASR_QUOTA_UTTERANCES": "0", "EARSHOT_ASR_QUOTA_BYTES": "0"}
# Where what a newer build of a service has added has to arrive, with everybody else's contracts as they are today.
ARRIVES: Final = {
    "asr": {"TurnInterpreted.turn", "Outcome.turn"},
    "nlu": {"Outcome.hypothesis", "Outcome.hypothesis.slots", "Session.last_hypothesis"},
    "dialogue": {"Outcome", "Session"},
    "tts": {"SpeechFrame"},
    "scheduler": {"ScheduleRecord", "Directive.ring"},
    "note": {"Outcome.prompts"},
    "clock": {"Outcome.prompts"},
    "music": {"Outcome.directives", "Outcome.directives.play.items"},
    "timers": {"Outcome.prompts", "ScheduleRecord.schedule"},
    "weather": {"Outcome.prompts"},
}
TURNS_BETWEEN: Final = 3
# A pod has more; what a process needs on a machine that is busy with twenty others is not the question here.
ENDS_WITHIN_S: Final = 20.0
ARRIVED_S: Final = 60.0
BREAK: Final = ("earshot/common/v1/turn.proto", "  string turn_id = 1;", "  string turn_id = 21;")

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run two of each service."""
    home = tmp_path_factory.mktemp("builds")
    async with stack(
        home, services=PROCESSES, environment=ENVIRONMENT, tracestore=True, grace_s=ENDS_WITHIN_S
    ) as running:
        await running.ready(120)
        yield running


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """Make the builds."""
    return Builds(tmp_path_factory.mktemp("contracts"))


@dataclass(slots=True)
class Life:
    """What goes on while services are replaced."""

    system: Stack
    speakers: list[Speaker]
    typist: Typist
    stored: Stored
    restarts: list[Restart]

    async def replace(self, name: str, environment: Callable[[str], Mapping[str, str]]) -> None:
        """Replace a service, one replica after the other, and let some turns go by."""
        for replica in range(REPLICAS):
            process = f"{name}-{replica}"
            self.restarts.append(await restart(self.system, process, environment(process)))
        enough = self.turns + TURNS_BETWEEN
        while self.turns < enough:
            await asyncio.sleep(0.1)

    async def arrive(self, name: str) -> None:
        """Wait until what a service has added is found where it has to arrive."""
        own = {f"{name}-{replica}" for replica in range(REPLICAS)}
        give_up = time.monotonic() + ARRIVED_S
        while missing := {place for place in ARRIVES[name] if not self.stored.added[place] & own}:
            assert time.monotonic() < give_up, f"{name}: nothing added at {missing}"
            await asyncio.sleep(0.1)

    @property
    def turns(self) -> int:
        """How many turns there were."""
        return self.typist.count + sum(len(one.turns) for one in self.speakers)


@asynccontextmanager
async def life(system: Stack) -> AsyncIterator[Life]:
    """Have devices hold dialogues, somebody type and timers ring meanwhile; then see that nothing was lost."""
    board, stop, kitchen = Board(), asyncio.Event(), Kitchen(system, ask, every_s=2.0)
    speakers = [
        speaker(system, number, whole_dialogues(stop, dialogues(f"builds/{number}", LOCALES[number % 2])), board)
        for number in range(2)
    ]
    living = Life(system, speakers, Typist(system), await Stored.of(system), [])
    async with asyncio.TaskGroup() as group:
        group.create_task(living.typist.type(stop))
        group.create_task(kitchen.live(stop))
        for one in speakers:
            group.create_task(one.converse(asyncio.Event(), 1.0))
        yield living
        stop.set()
    await living.stored.close()
    turns = [turn for one in speakers for turn in one.turns]
    judgement = judge(turns, [], [each.inflicted for each in living.restarts], words())
    assert [f"{each.what}: {each.turn}" for each in judgement.offences] == []
    assert {process.name: process.exit_status for process in living.restarts if process.exit_status} == {}
    assert [process.name for process in living.restarts if not process.drained] == []
    assert [(text, key) for text, key in living.typist.answers if not key.startswith(COMMANDS[text])] == []
    assert {text for text, _ in living.typist.answers} == set(COMMANDS)
    assert set(kitchen.answers) == {"timers.timer_set"}
    assert (len(kitchen.rang), len(set(kitchen.rang))) == (len(kitchen.answers), len(kitchen.answers))
    assert (living.stored.parked, living.stored.lost) == ([], [])


async def test_each_service_is_replaced_by_newer_and_older_builds(system: Stack, builds: Builds) -> None:
    """One service at a time gets newer contracts than all others, then older ones: nothing is lost, and what it adds arrives."""
    async with life(system) as living:
        for name in NAMES:
            await living.replace(name, lambda process: builds.environment(process, "next"))
            await living.arrive(name)
            await living.replace(name, lambda process: builds.environment(process, "previous"))
            assert builds.loaded() == builds.given


@pytest.mark.parametrize("build", ["next", "previous"])
async def test_devices_and_tools_have_contracts_of_their_own(system: Stack, builds: Builds, build: str) -> None:
    """A device, the command and the trace store are newer or older than all services: they talk, are answered and listed."""
    environment = {**os.environ, **builds.environment(f"{build}-0", build), "EARSHOT_HOME": str(system.home.root)}
    environment["EARSHOT_INSTANCE_ID"] = f"{build}-0"
    await restart(system, "tracestore", builds.environment("tracestore", build))
    address = DeviceAddress("home94", f"device-{build}")
    settings = {
        "nats_url": system.nats_url,
        "household_id": address.household,
        "device_id": address.device,
        "credentials": str(system.device_credentials(*address)),
        "locale": LOCALES[0],
    }
    told = json.loads(await _run(environment, "-m", "builds.talker", json.dumps(settings)))
    assert told == {"verdicts": ["answered"] * TURNS, "offences": []}
    command = ("-c", "from earshot_cli.app import main; main()", "ask", "what time is it in Tokyo", "--json")
    assert b"Tokyo" in await _run(environment, *command)
    async with httpx.AsyncClient(base_url=system.traces_url, trust_env=False) as client, asyncio.timeout(10):
        listed: list[dict[str, object]] = []
        while len(listed) < TURNS:
            answer = await client.get("/api/turns", params={"device": address.device})
            listed = answer.json()["turns"]
            await asyncio.sleep(0.2)
    assert builds.loaded() == builds.given


async def _run(environment: Mapping[str, str], *arguments: str) -> bytes:
    """Run Python; return what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", *arguments, env=dict(environment), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said


async def test_buf_agrees(builds: Builds, tmp_path: Path) -> None:
    """What may be deployed passes `buf breaking` against the last release and against today's; what breaks does not."""
    for against in (RELEASED, PROTOS):
        assert buf("breaking", builds.contracts("next").protos, "--against", against) == (0, "")
    broken = broken_contracts(tmp_path, *BREAK)
    status, told = buf("breaking", broken.protos, "--against", RELEASED)
    assert status != 0
    assert 'field "1" with name "turn_id" on message "TurnContext" was deleted' in told


async def test_a_breaking_build_loses_turns(system: Stack, tmp_path: Path) -> None:
    """What `buf breaking` refuses is not imagined: a service built from it can't read what others say, and turns end in an apology."""
    broken = broken_contracts(tmp_path, *BREAK).environment(tmp_path)
    stored = await Stored.of(system)
    for replica in range(REPLICAS):
        await restart(system, f"nlu-{replica}", broken)
    turn = await converse(system, "what time is it in Tokyo", "en-US", DeviceAddress("home93", "typist93"))
    assert turn.keys == ["assistant.apology.deadline_exceeded"]
    assert "turn.transcribed: missing_turn" in stored.parked
    await stored.close()
