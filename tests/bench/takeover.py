"""How long a turn stands still when the process that has it dies or freezes: by stage, with real services and cheap engines.

Usage: python -m bench.takeover [--blows N] [--seed WORD]

Every stage has a device of its own that talks without end. One stage is struck at a time. At a random point of a turn that the stage owns, the owner is
SIGKILLed and SIGSTOPped in turn: asr while it hears frames, or before it publishes or acknowledges; nlu, dialogue and the
skill before one of their own steps; tts while it speaks. A frozen owner wakes (SIGCONT) as soon as another one has shown
itself and its lease is over, and goes on in the midst of the turn as the zombie that it is: what it says must not be
heard. Measured is the time from there to the first sign of the next owner: its first
message about the turn, or the first step that it is about to take. The floor is the same in the same run without the blow:
from such a point to the owner's own next sign. Ends with 1 if a turn was not answered rightly, or if a stage's p95 of kills
or of freezes is above 1.5 s.
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
from chaos.schedule import Kind
from chaos.speaking import Line, Speaker
from chaos.system import SERVICES, device_settings, stack
from earshot.asr.v1 import events_pb2
from earshot.device.v1 import downstream_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_local import backoff
from earshot_local.stack import Stack
from earshot_topology.streams import ACK_WAIT_S

REPLICAS: Final = 3
UTTERANCE_S: Final = 1.6
TARGET_S: Final = 1.5
SIGN_S: Final = 15.0
AFTER_S: Final = 1.0
# A frozen owner wakes then even if nobody has taken over: what it does is a sign like any other, and a late one.
FROZEN_S: Final = 4.0
KINDS: Final = {Kind.KILL: "killed", Kind.FREEZE: "frozen"}
# Points of a stage's own, and for how long after them the owner may be struck.
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
    """One kill or freeze, or in its place nothing, for the floor.

    Attributes:
        stage: Whose owner it hits.
        point: After which point.
        after_s: How long after it.
        kind: KILL or FREEZE; None: it leaves the owner alone.
        pid: The owner, once it has come to the point.
        at: When it was struck; 0: not yet.
        sign: Set to when the next sign came.
    """

    stage: str
    point: str
    after_s: float
    kind: Kind | None
    pid: int = 0
    at: float = 0.0
    sign: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _thawing: asyncio.TimerHandle | None = None

    @property
    def in_progress(self) -> bool:
        """Whether it was struck, or is about to be, and nobody has shown itself since, or the frozen owner has not woken."""
        return bool(self.pid) and (not self.sign.done() or self._thawing is not None)

    def signed(self, now: float) -> None:
        """Note a sign of the stage, which may be one too early or one too many."""
        if self.at and not self.sign.done():
            self.sign.set_result(now)
            if self._thawing is not None:
                self._thaw_in(self.at + ACK_WAIT_S - now)

    def strike(self) -> None:
        """Do it; who is frozen wakes after the next sign."""
        self.at = time.monotonic()
        if self.kind is Kind.KILL:
            os.kill(self.pid, signal.SIGKILL)
        elif self.kind is Kind.FREEZE:
            os.kill(self.pid, signal.SIGSTOP)
            self._thaw_in(FROZEN_S)

    def thaw(self) -> None:
        """Wake whoever is still frozen."""
        if self._thawing is not None:
            self._thawing.cancel()
            self._thawing = None
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)

    def _thaw_in(self, seconds: float) -> None:
        if self._thawing is not None:
            self._thawing.cancel()
        self._thawing = asyncio.get_running_loop().call_later(max(0.0, seconds), self.thaw)


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
            if asked["pid"] != blow.pid or blow.kind is None:
                blow.signed(time.monotonic())
        elif asked["point"] == blow.point and not (blow.kind and self._striking_another(blow)):
            blow.pid = int(asked["pid"])
            if not blow.after_s:
                blow.strike()
            else:
                task = asyncio.create_task(_later(blow))
                self._striking.add(task)
                task.add_done_callback(self._striking.discard)

    def _striking_another(self, blow: Blow) -> bool:
        """Tell whether another stage is without its owner: of two blows to one turn, neither could be told from the other."""
        return any(each.kind and each.in_progress for each in self.blows.values() if each is not blow)

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
        # What the struck owner had sent before is still on its way; epochs tell, where there are any.
        if blow.kind is None or epoch is None or epoch > 1:
            blow.signed(now)

    def _settled(self, subject: str, now: float) -> None:
        """An owner after the first one settles what was decided before: nothing else is heard of it."""
        for blow in self.blows.values():
            if blow.stage == "dialogue" and blow.kind and int(subject.split(".")[_DELIVERY]) > 1:
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
        took: Seconds from each kill and each freeze to the next owner's first sign.
        floor: The same without a blow.
    """

    name: str
    speaker: Speaker
    chance: random.Random
    took: dict[Kind, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    floor: list[float] = field(default_factory=list)

    @property
    def blows(self) -> int:
        """How many were measured."""
        return sum(map(len, self.took.values()))

    @property
    def late(self) -> bool:
        """Whether either kind took too long."""
        return any(percentile(took, 0.95) > TARGET_S for took in self.took.values())

    async def measure(self, system: Stack, striker: Striker, blows: int) -> None:
        """Have turns until the owner was struck often enough; one for three blows is left alone."""
        async with self.speaker.present(0.5) as device:
            while self.blows < blows:
                blow = await self._next(system)
                striker.blows[self.speaker.name] = blow
                try:
                    await self.speaker.say(device, self._line())
                    del striker.blows[self.speaker.name]
                    signed_at = await self._sign(blow)
                finally:
                    blow.thaw()
                if signed_at is None:
                    continue
                (self.floor if blow.kind is None else self.took[blow.kind]).append(signed_at - blow.at)
                print(f"{self.name} {self.blows}/{blows}", end="\r", file=sys.stderr)

    async def _next(self, system: Stack) -> Blow:
        kind = None
        if 3 * len(self.floor) > self.blows:
            kind = min(KINDS, key=lambda each: len(self.took[each]))
            await _whole(system, self.name)
        # Behind an acknowledgement that arrives, nothing comes any more.
        points = [each for each in STAGES[self.name] if kind or not each[0].startswith("ack")]
        point, within_s = self.chance.choice(points)
        return Blow(self.name, point, self.chance.uniform(0, within_s), kind)

    def _line(self) -> Line:
        return line(
            ECHO,
            self.speaker.settings.locale,
            seconds=UTTERANCE_S,
            seed=self.chance.getrandbits(32),
            pause_s=0.0,
            by=self.speaker.name,
        )

    async def _sign(self, blow: Blow) -> float | None:
        """Return when the next owner showed itself; None where the turn had no need of one."""
        if not blow.at:
            # Another stage's loss brought the turn to another owner, or the point came only after its end.
            return None
        sure = blow.kind is not None and not blow.after_s
        try:
            async with asyncio.timeout(SIGN_S if sure else AFTER_S):
                return await blow.sign
        except TimeoutError:
            if sure:
                print(f"no sign after a {blow.kind} at {blow.point!r}: {self.speaker.turns[-1].note}", file=sys.stderr)
                raise
            # The owner was done with the turn before it was struck.
            return None


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


async def bench(blows: int, seed: str) -> int:
    """Run the benchmark; return its exit status."""
    striker = Striker()
    async with _system(striker) as system:
        stages = list(_stages(system, seed))
        async with asyncio.TaskGroup() as group:
            for stage in stages:
                group.create_task(stage.measure(system, striker, blows))
    turns = [turn for stage in stages for turn in stage.speaker.turns]
    wrong = [turn for turn in turns if verdict_of(turn, words()) is not Verdict.ANSWERED]
    for turn in wrong:
        print(f"{turn.device} {turn.turn_id} {verdict_of(turn, words())}: {turn.note}", file=sys.stderr)
    report(stages, len(turns), len(wrong))
    return 1 if wrong or any(stage.late for stage in stages) else 0


def report(stages: list[Stage], turns: int, wrong: int) -> None:
    """Print the table and write the figures."""
    rows, figures = [], dict[str, float | int | None](turns=turns, wrong=wrong)
    everything = {kind: [value for stage in stages for value in stage.took[kind]] for kind in KINDS}
    for name, took, floor in [
        *((stage.name, stage.took, stage.floor) for stage in stages),
        ("all", everything, [value for stage in stages for value in stage.floor]),
    ]:
        floor_ms = f"{percentile(floor, 0.95) * 1e3:.0f}"
        for kind, how in KINDS.items():
            shares = _shares(took[kind])
            rows.append((name, how, len(took[kind]), *(f"{value:.2f}" for value in shares), floor_ms))
            figures |= {f"{name}_{how}": len(took[kind]), f"{name}_{how}_p95_s": shares[1]}
        both = _shares([value for values in took.values() for value in values])
        figures |= {
            f"{name}_p50_s": both[0],
            f"{name}_p95_s": both[1],
            f"{name}_max_s": both[2],
            f"{name}_floor_p95_s": percentile(floor, 0.95),
        }
    print(f"{machine()}; {turns} turns, {wrong} not answered rightly\n")
    print(table(("stage", "owner", "blows", "p50 s", "p95 s", "max s", "floor p95 ms"), rows))
    write("takeover", figures)


def _shares(took: list[float]) -> tuple[float, float, float]:
    return percentile(took, 0.5), percentile(took, 0.95), max(took, default=float("nan"))


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description="How long a turn stands still when its owner dies or freezes.")
    parser.add_argument("--blows", type=int, default=40, help="blows to each stage; every other one is a freeze")
    parser.add_argument("--seed", default="takeover", help="what decides words and moments")
    arguments = parser.parse_args()
    import uvloop  # noqa: PLC0415 - as the services do

    return uvloop.run(bench(arguments.blows, arguments.seed))


if __name__ == "__main__":
    sys.exit(main())
