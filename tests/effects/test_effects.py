"""What skills do outside happens as often as they promise, whoever dies, freezes or answers twice.

Real processes: two replicas of each fixture skill, a nats-server with their journal, and an outside server that writes every
effect down. Three promises meet seven interleavings.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from earshot.common.v1 import turn_pb2
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_local import Service, Stack, lean
from earshot_skillkit import wire
from support.nats import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = Path(__file__).parent
INTENTS = {"list": "add", "lamp": "toggle", "counter": "count"}
KINDS = tuple(INTENTS)
UNKNOWN = "effect_unknown"


@dataclass(slots=True)
class Outside:
    """The outside server."""

    port: int
    record: Path
    pauses: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it."""
        command = [sys.executable, "-S", str(HERE / "outside.py"), str(self.port), str(self.record)]
        self.process = subprocess.Popen(command)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def effects(self, code: str) -> int:
        """Return how often something happened."""
        if not self.record.exists():
            return 0
        return sum(json.loads(line)["code"] == code for line in self.record.read_text().splitlines())

    async def happened(self, code: str) -> None:
        """Wait until it has happened."""
        async with asyncio.timeout(10):
            while not self.effects(code):
                await asyncio.sleep(0.01)

    async def paused(self, code: str) -> None:
        """Wait until a skill pauses, before the effect or when it is journalled."""
        async with asyncio.timeout(10):
            while not (self.pauses / code).exists():
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """Run the outside server."""
    server = Outside(
        free_port(), tmp_path_factory.mktemp("outside") / "effects.jsonl", tmp_path_factory.mktemp("pauses")
    )
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, outside: Outside) -> AsyncIterator[Stack]:
    """Run two replicas of each skill."""
    services = [
        Service(
            name=kind,
            module="",
            role=f"skill-chaos_{kind}",
            command=(sys.executable, "-P", lean.__file__, "effects.effect_skill", kind),
        )
        for kind in KINDS
    ]
    environment = {
        "EARSHOT_OUTSIDE": f"http://127.0.0.1:{outside.port}",
        "EARSHOT_PAUSES": str(outside.pauses),
        "PYTHONPATH": str(HERE.parent),
    }
    async with Stack(
        home=tmp_path_factory.mktemp("effects"),
        services=services,
        scale=dict.fromkeys(KINDS, 2),
        env=environment,
        tracestore=False,
    ) as running:
        await running.ready(60)
        yield running


@dataclass(slots=True)
class Call:
    """One call, as dialogue makes it, and makes it again."""

    stack: Stack
    kind: str
    code: str
    key: str
    attempts: int = 0

    async def to(self, replica: int, *, timeout_s: float = 8.0) -> str:
        """Call a replica; return "done" or the code of what came instead."""
        self.attempts += 1
        target = self.stack.grpc_target(self.kind).removeprefix("ipv4:").split(",")[replica]
        turn = turn_pb2.TurnContext(turn_id="t", household_id="h", device_id="d", locale="en-US")
        request = skill_pb2.HandleRequest(
            turn=turn,
            intent=INTENTS[self.kind],
            slots=[wire.slot("code", self.code, self.code)],
            idempotency_key=self.key,
            attempt=self.attempts,
        )
        try:
            async with connect(target) as channel:
                async for response in skill_pb2_grpc.SkillStub(channel).Handle(request, timeout=timeout_s):
                    assert response.answer.effect_result == skill_pb2.EFFECT_RESULT_DONE
        except grpc.aio.AioRpcError as error:
            return from_rpc_error(error).code
        return "done"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each promise."""
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="module")
async def make(stack: Stack, kind: str):
    """Return a maker of calls, when both replicas are there."""
    await stack.ready(20)

    def of(words: str) -> Call:
        number = uuid.uuid4().hex[:8]
        return Call(stack, kind, f"{words} {number}", f"h.d.{number}.0")

    return of


async def test_the_same_call_again_is_the_same_effect(make, outside: Outside) -> None:
    """The second replica says what the first one has done, and does nothing."""
    call = make("plain")
    assert [await call.to(0), await call.to(1), await call.to(0)] == ["done", "done", "done"]
    assert outside.effects(call.code) == 1


async def test_two_replicas_at_once(make, kind: str, outside: Outside) -> None:
    """Both have the call at the same time: the promise holds."""
    call = make("slow")
    said = sorted(await asyncio.gather(call.to(0), call.to(1)))
    match kind:
        case "list":
            assert (said, outside.effects(call.code)) == (["done", "done"], 1)
        case "lamp":
            # Who comes second marks the first one's effect as unknown: neither may claim more than that.
            assert (set(said) <= {"done", UNKNOWN}, UNKNOWN in said, outside.effects(call.code)) == (True, True, 1)
        case _:
            assert said == ["done", "done"]
            assert outside.effects(call.code) in {1, 2}


async def killed(call: Call, stack: Stack) -> None:
    """SIGKILL the replica that has the call."""
    stack.processes[f"{call.kind}-0"].kill()


async def test_a_replica_that_is_killed_before_the_effect(make, stack: Stack, outside: Outside) -> None:
    """Nothing has happened: the other replica does it."""
    call = make("early")
    first = asyncio.create_task(call.to(0))
    await outside.paused(call.code)
    assert not outside.effects(call.code)
    await killed(call, stack)
    assert await first != "done"
    assert (await call.to(1), outside.effects(call.code)) == ("done", 1)


async def test_a_replica_that_is_killed_during_the_effect(make, kind: str, stack: Stack, outside: Outside) -> None:
    """It has happened, and the one who asked for it is dead before it knew."""
    call = make("slow")
    first = asyncio.create_task(call.to(0))
    await outside.happened(call.code)
    await killed(call, stack)
    assert await first != "done"
    said, effects = await call.to(1), outside.effects(call.code)
    expected = {"list": ("done", 1), "lamp": (UNKNOWN, 1), "counter": ("done", 2)}
    assert (said, effects) == expected[kind]


async def test_a_replica_that_is_killed_after_the_effect(make, stack: Stack, outside: Outside) -> None:
    """The journal knows what the dead one could not say any more."""
    call = make("late")
    first = asyncio.create_task(call.to(0))
    await outside.paused(call.code)
    assert outside.effects(call.code)
    await killed(call, stack)
    assert await first != "done"
    assert (await call.to(1), outside.effects(call.code)) == ("done", 1)


async def test_a_target_that_hangs_up_after_the_effect(make, kind: str, outside: Outside) -> None:
    """Asked again with the same key where that is allowed; where it is not, nobody can tell, now and later."""
    call = make("dropped")
    said, again = await call.to(0), await call.to(1)
    expected = {"list": ("done", "done", 1), "lamp": (UNKNOWN, UNKNOWN, 1), "counter": ("done", "done", 2)}
    assert (said, again, outside.effects(call.code)) == expected[kind]


async def test_a_replica_that_is_frozen_and_wakes(make, kind: str, stack: Stack, outside: Outside) -> None:
    """Another has taken over meanwhile: what the sleeper says in the end is no more than what the user was told."""
    call = make("slow")
    sleeper = stack.processes[f"{kind}-0"]
    first = asyncio.create_task(call.to(0, timeout_s=20))
    await outside.happened(call.code)
    sleeper.freeze()
    try:
        said = await call.to(1)
    finally:
        sleeper.thaw()
    woken, effects = await first, outside.effects(call.code)
    match kind:
        case "list":
            assert (said, effects, woken in {"done", "rpc_unavailable"}) == ("done", 1, True)
        case "lamp":
            assert (said, effects) == (UNKNOWN, 1)
            assert woken != "done"
        case _:
            assert (said, effects) == ("done", 2)


async def test_a_target_that_is_not_there(make, outside: Outside) -> None:
    """Nothing has happened, and that is known: it is said, also to an attempt that comes later."""
    call = make("nobody")
    outside.stop()
    try:
        assert await call.to(0) == "effect_refused"
    finally:
        outside.start()
    await asyncio.sleep(0.3)
    assert await call.to(1) == "effect_refused"
    assert outside.effects(call.code) == 0


async def test_a_key_of_another_household_is_refused(make, outside: Outside) -> None:
    """So is one that is no key."""
    for key in ("other.d.t.0", "h", "h.d.t.0.>", "h..t.0"):
        call = make("foreign")
        call.key = key
        assert await call.to(0) == "invalid_request"
        assert outside.effects(call.code) == 0
