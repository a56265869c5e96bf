"""How long a turn stands still when the process that has it dies: by stage, with real services and cheap engines.

Usage: python -m bench.takeover [--kills N] [--seed WORD]

Every stage has a device of its own that talks without end. At a random point of a turn that the stage owns, the owner is
SIGKILLed: asr while it hears frames, or before it publishes or acknowledges; nlu, dialogue and the skill before one of
their own steps; tts while it speaks. Measured is the time from there to the first sign of the next owner: its first
message about the turn, or the first step that it is about to take. The floor is the same in the same run without the kill:
from such a point to the owner's own next sign. Ends with 1 if a turn was not answered rightly, or if a stage's p95 is above
1.5 s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nats
from nats.aio.msg import Msg

from bench.results import machine, percentile, table, write
from chaos.checker import Verdict, verdict_of
from chaos.gate import VARIABLE
from chaos.gatekeeping import Gatekeeper
from chaos.lines import ECHO, line, words
from chaos.phases import Board
from chaos.speaking import Speaker
from chaos.system import SERVICES, device_settings, stack
from earshot.asr.v1 import events_pb2
from earshot.device.v1 import downstream_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_local import backoff
from earshot_local.stack import Stack

REPLICAS: Final = 3
UTTERANCE_S: Final = 1.6
TARGET_S: Final = 1.5
SIGN_S: Final = 15.0
AFTER_S: Final = 1.0
# Points of a stage's own, and for how long after them the owner may be killed.
STAGES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "asr": (("frame", 0.7), ("frame", 0.7), ("publish turn.transcribed", 0.0), ("ack asr", 0.0)),
    "nlu": (("publish turn.interpreted", 0.0), ("ack nlu", 0.0)),
    "dialogue": (("claim outcome", 0.0), ("write session", 0.0), ("ack dialogue", 0.0)),
    "echo": (("call echo", 0.0),),
    "tts": (("speech", 1.0),),
}
_HEARD: Final = (
    "device.*.*.down.recognition",
    "device.*.*.down.speech.*",
    "turn.transcribed",
    "turn.interpreted",
    "turn.outcome.*.*.*",
    "$JS.ACK.TURNS.dialogue.>",
)
_DELIVERY: Final = 4


@dataclass(slots=True)
class Blow:
    """One kill, or in its place nothing, for the floor.

    Attributes:
        stage: Whose owner it hits.
        point: After which point.
        after_s: How long after it.
        kills: Whether it does.
        pid: The owner, once it has come to the point.
        at: When it was struck; 0: not yet.
        sign: Set to when the next sign came.
    """

    stage: str
    point: str
    after_s: float
    kills: bool
    pid: int = 0
    at: float = 0.0
    sign: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def signed(self, now: float) -> None:
        """Note a sign of the stage, which may be one too early or one too many."""
        if self.at and not self.sign.done():
            self.sign.set_result(now)

    def strike(self) -> None:
        """Do it."""
        self.at = time.monotonic()
        if self.kills:
            os.kill(self.pid, signal.SIGKILL)


class Striker(Gatekeeper):
    """Lets processes pass, strikes the one that a blow waits for, and hears signs."""

    def __init__(self) -> None:
        super().__init__()
        self.blows: dict[str, Blow] = {}
        self._striking: set[asyncio.Task[None]] = set()

    async def _decide(self, asked: dict[str, Any]) -> None:
        blow = self.blows.get(asked["about"])
        if blow is None or asked["instance"].rsplit("-", 1)[0] != blow.stage:
            return
        if blow.pid:
            if asked["pid"] != blow.pid or not blow.kills:
                blow.signed(time.monotonic())
        elif asked["point"] == blow.point:
            blow.pid = int(asked["pid"])
            if not blow.after_s:
                blow.strike()
            else:
                task = asyncio.create_task(_later(blow))
                self._striking.add(task)
                task.add_done_callback(self._striking.discard)

    async def hear(self, message: Msg) -> None:
        """Take what passes by on the bus."""
        now = time.monotonic()
        if message.subject.startswith("$JS.ACK."):
            self._settled(message.subject, now)
            return
        device, stage, epoch = _about(message)
        blow = self.blows.get(device)
        if blow is None or blow.stage not in stage:
            return
        # What the dead owner had sent before is still on its way; epochs tell, where there are any.
        if not blow.kills or epoch is None or epoch > 1:
            blow.signed(now)

    def _settled(self, subject: str, now: float) -> None:
        """An owner after the first one settles what was decided before: nothing else is heard of it."""
        for blow in self.blows.values():
            if blow.stage == "dialogue" and blow.kills and int(subject.split(".")[_DELIVERY]) > 1:
                blow.signed(now)


async def _later(blow: Blow) -> None:
    await asyncio.sleep(blow.after_s)
    blow.strike()


def _about(message: Msg) -> tuple[str, tuple[str, ...], int | None]:
    """Return whose turn a message is about, of which stages it is a sign, and its owner's epoch."""
    parts = message.subject.split(".")
    if message.subject == "turn.transcribed":
        transcribed = events_pb2.TurnTranscribed.FromString(message.data)
        return transcribed.turn.device_id, ("asr",), transcribed.owner_epoch
    if message.subject == "turn.interpreted":
        return interpreter_pb2.TurnInterpreted.FromString(message.data).turn.device_id, ("nlu",), None
    if parts[1] == "outcome":
        return parts[3], ("dialogue", "echo"), None
    if parts[4] == "recognition":
        return parts[2], ("asr",), downstream_pb2.RecognitionUpdate.FromString(message.data).owner_epoch
    return parts[2], ("tts",), downstream_pb2.SpeechFrame.FromString(message.data).owner_epoch


@dataclass(slots=True)
class Stage:
    """One stage and the device whose turns it is struck in.

    Attributes:
        took: Seconds from each kill to the next owner's first sign.
        floor: The same without a kill.
    """

    name: str
    speaker: Speaker
    chance: random.Random
    took: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    async def measure(self, system: Stack, striker: Striker, kills: int) -> None:
        """Have turns until the owner was killed often enough; every other one is left alone."""
        locale = self.speaker.settings.locale
        async with self.speaker.present(0.5) as device:
            while len(self.took) < kills:
                strikes = 3 * len(self.floor) > len(self.took)
                if strikes:
                    await _whole(system, self.name)
                # Behind an acknowledgement that arrives, nothing comes any more.
                points = [each for each in STAGES[self.name] if strikes or not each[0].startswith("ack")]
                point, within_s = self.chance.choice(points)
                blow = Blow(self.name, point, self.chance.uniform(0, within_s), strikes)
                striker.blows[self.speaker.name] = blow
                said = line(
                    ECHO,
                    locale,
                    seconds=UTTERANCE_S,
                    seed=self.chance.getrandbits(32),
                    pause_s=0.0,
                    by=self.speaker.name,
                )
                await self.speaker.say(device, said)
                del striker.blows[self.speaker.name]
                if not blow.at:
                    # Another stage's death brought the turn to another owner, or the point came only after its end.
                    continue
                try:
                    async with asyncio.timeout(SIGN_S if strikes and not within_s else AFTER_S):
                        signed_at = await blow.sign
                except TimeoutError:
                    if strikes and not within_s:
                        print(f"no sign after a kill at {point!r}: {self.speaker.turns[-1].note}", file=sys.stderr)
                        raise
                    # The owner was done with the turn before it was struck.
                    continue
                (self.took if strikes else self.floor).append(signed_at - blow.at)
                print(f"{self.name} {len(self.took)}/{kills}", end="\r", file=sys.stderr)


async def _whole(system: Stack, stage: str) -> None:
    children = [child for name, child in system.processes.items() if name.rsplit("-", 1)[0] == stage]
    await asyncio.gather(*(child.ready() for child in children))


@contextlib.asynccontextmanager
async def _system(striker: Striker) -> AsyncIterator[Stack]:
    # The supervisor's patience with what keeps dying is not measured here.
    backoff.LONGEST_S = backoff.FIRST_S
    with tempfile.TemporaryDirectory(prefix="takeover-") as folder:
        socket = Path(folder) / "gate"
        services = [service for service in SERVICES if service.name in STAGES]
        async with (
            striker.open(socket),
            stack(Path(folder), services=services, environment={VARIABLE: str(socket)}, replicas=REPLICAS) as system,
        ):
            await system.ready()
            client = await nats.connect(system.nats_url, user_credentials=str(system.creds("admin")))
            for subject in _HEARD:
                await client.subscribe(subject, cb=striker.hear)
            await client.flush()
            yield system
            await client.close()


def _stages(system: Stack, seed: str) -> Iterator[Stage]:
    for number, name in enumerate(STAGES):
        settings = device_settings(system, number, "en-US", playback_speed=3.0, answer_timeout_s=20.0)
        yield Stage(name, Speaker(settings, Board(), iter(())), random.Random(f"{seed}/{name}"))


async def bench(kills: int, seed: str) -> int:
    """Run the benchmark; return its exit status."""
    striker = Striker()
    async with _system(striker) as system:
        stages = list(_stages(system, seed))
        async with asyncio.TaskGroup() as group:
            for stage in stages:
                group.create_task(stage.measure(system, striker, kills))
    turns = [turn for stage in stages for turn in stage.speaker.turns]
    wrong = [turn for turn in turns if verdict_of(turn, words()) is not Verdict.ANSWERED]
    for turn in wrong:
        print(f"{turn.device} {turn.turn_id} {verdict_of(turn, words())}: {turn.note}", file=sys.stderr)
    report(stages, len(turns), len(wrong))
    return 1 if wrong or any(percentile(stage.took, 0.95) > TARGET_S for stage in stages) else 0


def report(stages: list[Stage], turns: int, wrong: int) -> None:
    """Print the table and write the figures."""
    rows, figures = [], dict[str, float | int | None](turns=turns, wrong=wrong)
    everything = [took for stage in stages for took in stage.took]
    for name, took, floor in [
        *((stage.name, stage.took, stage.floor) for stage in stages),
        ("all", everything, [value for stage in stages for value in stage.floor]),
    ]:
        shares = [percentile(took, 0.5), percentile(took, 0.95), max(took, default=float("nan"))]
        rows.append((name, len(took), *(f"{value:.2f}" for value in shares), f"{percentile(floor, 0.95) * 1e3:.0f}"))
        figures |= {
            f"{name}_kills": len(took),
            f"{name}_p50_s": shares[0],
            f"{name}_p95_s": shares[1],
            f"{name}_max_s": shares[2],
            f"{name}_floor_p95_s": percentile(floor, 0.95),
        }
    print(f"{machine()}; {turns} turns, {wrong} not answered rightly\n")
    print(table(("stage", "kills", "p50 s", "p95 s", "max s", "floor p95 ms"), rows))
    write("takeover", figures)


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description="How long a turn stands still when its owner dies.")
    parser.add_argument("--kills", type=int, default=40, help="kills of each stage")
    parser.add_argument("--seed", default="takeover", help="what decides words and moments")
    arguments = parser.parse_args()
    import uvloop  # noqa: PLC0415 - as the services do

    return uvloop.run(bench(arguments.kills, arguments.seed))


if __name__ == "__main__":
    sys.exit(main())
