"""Measures on this machine what a turn, a connection and a start cost, through a local stack with the real engines.

Devices speak synthesised commands in real time: first one, for the time to first audio that nobody else disturbs; then
several at once, while the CPU time of every process is read; then one sets timers, and lets them ring, which is what the
scheduler is for, and cancels one, which a skill writes down in its journal. What the processes use when nobody speaks is taken off, and the rest is that of the turns that each handled.
Then a crowd connects to the same nats-server, and one more replica of each service starts, with empty caches, as a
new pod would, while the rest of the stack is idle. At last, without them, nodes alone take what a turn writes, and three of them what a stream's leader can.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import nats
import numpy as np
import psutil
from numpy.typing import NDArray

from earshot_cli.capacity import clocks, crowd, leaders
from earshot_cli.capacity.figures import ASR, BusFigures, Figures, ServiceFigures
from earshot_cli.capacity.handled import BUS, SCHEDULER, SKILL, each_cost, handled
from earshot_cli.errors import CliError
from earshot_cli.services import synthesize
from earshot_device.core.outcome import OutcomeKind
from earshot_device.device import Device
from earshot_device.settings import DeviceSettings
from earshot_device.sound.sinks import NullSink
from earshot_device.turns.result import TurnResult
from earshot_local.child import Child
from earshot_local.plan import SKILLS
from earshot_local.ports import HOST, Ports
from earshot_local.probe import http_ready
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress

# All devices are one household's.
ENVIRONMENT = {
    "EARSHOT_LOG_LEVEL": "warning",
    "EARSHOT_TRACE_PII": "false",
    "EARSHOT_ASR_QUOTA_UTTERANCES": "0",
    "EARSHOT_ASR_QUOTA_CONCURRENT": "0",
    "EARSHOT_ASR_QUOTA_BYTES": "0",
}
COMMANDS = (
    "what time is it in Tokyo",
    "what's the date today",
    "what's the weather in Paris tomorrow",
    "play some jazz",
)
# A short one: it rings while the measurement waits for it.
TIMER = "set a timer for two seconds"
# What a skill writes down in its journal: which of the timers it has cancelled.
CANCELLED = ("set a timer for ten minutes", "cancel the timer")
# The skill whose start stands for that of all of them.
_SKILL = "clock"
_RATE = 16_000
_READY_S = 240.0
_START_S = 300.0
_SETTLE_S = 60.0
_SETTLED_CORES = 0.3
_STEADY = 0.8
_RINGS_S = 30.0
_LOOK_S = 0.05
_MESSAGE = b"x" * 200

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        alone: Turns of the single device.
        devices: How many speak at once after it.
        rounds: Turns of each of those.
        timers: How many are set, one after the other, and ring.
        idle_s: How long everybody is silent.
        connections: Devices of the crowd.
        deliveries: Messages to it.
        writes_s: How long each kind of stream is written to.
    """

    alone: int = 8
    devices: int = 8
    rounds: int = 4
    timers: int = 4
    idle_s: float = 10.0
    connections: int = 1_000
    deliveries: int = 20_000
    writes_s: float = 5.0


async def measure(effort: Effort, tell: Tell) -> Figures:
    """Measure everything; three minutes with the default effort.

    Raises:
        StartError: The stack did not start.
        CliError: No turn was answered (code `nothing_answered`), or a service handled none (code `nothing_handled`).
    """
    crowd.room_for(effort.connections)
    with tempfile.TemporaryDirectory(prefix="earshot-capacity-") as folder:
        tell("starting a stack")
        async with Stack(home=Path(folder), env=ENVIRONMENT, fresh=True) as stack:
            await stack.ready(_READY_S)
            phrases = [await synthesize(stack.grpc_target("tts"), text, "en-US", _RATE) for text in COMMANDS]
            timer = await synthesize(stack.grpc_target("tts"), TIMER, "en-US", _RATE)
            groups = {name: _processes(stack, name) for name in (*_SERVICES, BUS)}
            tell("one device speaks")
            # What a process makes once for each that speaks at the same time is no turn's cost.
            await _speak(stack, phrases, devices=effort.devices, rounds=1)
            alone = await _speak(stack, phrases, devices=1, rounds=effort.alone)
            tell("nobody speaks")
            idle = await _settled(groups, effort.idle_s)
            tell(f"{effort.devices} devices speak")
            since = _Since(groups, idle)
            results = await _speak(stack, phrases, devices=effort.devices, rounds=effort.rounds)
            used = since.used()
            tell(f"{effort.timers} timers ring")
            since = _Since(groups, idle)
            rang = await _ring(stack, timer, effort.timers)
            used[SCHEDULER] = since.used()[SCHEDULER]
            cancelled = [await synthesize(stack.grpc_target("tts"), text, "en-US", _RATE) for text in CANCELLED]
            await _speak(stack, cancelled, devices=1, rounds=len(cancelled))
            memory = {name: _memory_mib(group) for name, group in groups.items()}
            stored = await _stored_bytes(stack)
            tell(f"{effort.connections} devices connect")
            bus = await _connections(stack, groups[BUS], effort)
            starts = {}
            for name in _SERVICES:
                tell(f"one more {name} starts")
                child = stack.processes[f"{_SKILL if name == SKILL else name}-0"]
                starts[name] = await _start_s(child, Path(folder))
        tell(f"one node, then {leaders.COPIES} take messages")
        led = await leaders.measure(Path(folder) / "nodes", effort.writes_s)
    heard = tuple(result.first_audio_s for result in alone if result.first_audio_s is not None)
    answered = [result for result in (*alone, *results) if result.kind is OutcomeKind.ANSWERED]
    if not heard or not answered:
        raise CliError("no turn was answered: nothing can be said of its cost", code="nothing_answered")
    costs = each_cost(used, handled(results, rang))
    spoken_s = fmean(result.utterance_s for result in results)
    services = {
        name: ServiceFigures(
            cpu_s_per_turn=costs[name],
            # Of skills, all together were at rest.
            idle_cores=idle[name] / len(groups[name]),
            memory_mib=memory[name],
            start_s=starts[name],
        )
        for name in _SERVICES
    }
    return Figures(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        turns=len(results) + len(alone),
        utterance_s=spoken_s,
        answer_s=fmean(len(result.answer) / result.answer_rate for result in answered if result.answer_rate),
        asr_cpu_s_per_audio_s=costs[ASR] / spoken_s,
        first_audio_s=heard,
        services=services,
        bus=BusFigures(
            cpu_s_per_turn=costs[BUS],
            memory_mib=memory[BUS],
            stored_bytes=stored,
            stream_writes_per_s=led.stream_writes_per_s,
            memory_stream_writes_per_s=led.memory_stream_writes_per_s,
            # All that is not written, such as what is said to recognisers and devices, costs the same.
            copy_cost=1 + led.copies_cpu_s_per_turn / costs[BUS],
            **bus,
        ),
    )


_SERVICES = (ASR, "nlu", "dialogue", SCHEDULER, SKILL, "tts")
_Group = Sequence[psutil.Process]


def _processes(stack: Stack, name: str) -> list[psutil.Process]:
    """Return the process of a service; of "skill", those of all skills, over which the turns are spread."""
    names = [skill.name for skill in SKILLS] if name == SKILL else [name]
    return [_process(stack, "nats-server" if each == BUS else f"{each}-0") for each in names]


def _process(stack: Stack, name: str) -> psutil.Process:
    child = stack.processes[name]
    if child.pid is None:
        raise CliError(f"{name} ended while it was measured", code="service_ended")
    return psutil.Process(child.pid)


class _Since:
    """What groups of processes use from now on, beyond what they use when nobody speaks."""

    def __init__(self, groups: Mapping[str, _Group], idle: Mapping[str, float]) -> None:
        self._groups = groups
        self._idle = idle
        self._before = {name: _cpu_s(group) for name, group in groups.items()}
        self._began = time.monotonic()

    def used(self) -> dict[str, float]:
        """Return seconds of CPU."""
        took = time.monotonic() - self._began
        return {
            name: max(0.0, _cpu_s(group) - self._before[name] - self._idle[name] * took)
            for name, group in self._groups.items()
        }


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_s(group: _Group) -> float:
    """Return the CPU time of processes and of all that they started; that of those which have ended is in their parent's."""
    used = 0.0
    for each in (each for process in group for each in _tree(process)):
        with contextlib.suppress(psutil.NoSuchProcess):
            used += clocks.cpu_s(each)
    return used


def _memory_mib(group: _Group) -> float:
    """Return what the largest of some processes takes: each has a pod of its own."""
    return max(_memory_of_mib(process) for process in group)


def _memory_of_mib(process: psutil.Process) -> float:
    used = 0.0
    for each in _tree(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            used += float(each.memory_full_info().uss)
    return used / 2**20


async def _settled(groups: Mapping[str, _Group], seconds: float) -> dict[str, float]:
    """Return the cores in use while nobody speaks, once what services learn at their start is learned."""
    give_up = time.monotonic() + _SETTLE_S
    least = await _idle(groups, seconds)
    while time.monotonic() < give_up:
        before, again = sum(least.values()), await _idle(groups, seconds)
        # What is taken off for a stack that still works on something would be missing in what turns cost.
        least = {name: min(least[name], cores) for name, cores in again.items()}
        if sum(again.values()) > _STEADY * before and sum(again.values()) < _SETTLED_CORES:
            break
    return least


async def _idle(groups: Mapping[str, _Group], seconds: float) -> dict[str, float]:
    """Return the cores in use for some seconds."""
    before = {name: _cpu_s(group) for name, group in groups.items()}
    await asyncio.sleep(seconds)
    return {name: (_cpu_s(group) - before[name]) / seconds for name, group in groups.items()}


async def _speak(stack: Stack, phrases: Sequence[NDArray[np.int16]], *, devices: int, rounds: int) -> list[TurnResult]:
    """Let devices speak at once, each several times, in real time."""
    results: list[TurnResult] = []

    async def one(index: int) -> None:
        address = DeviceAddress("capacity", f"device{devices}-{index}")
        async with Device(_settings(stack, address), sink=NullSink()) as device:
            # Devices that start in the same millisecond are no household's habit.
            await asyncio.sleep(index * 0.37)
            for round_ in range(rounds):
                result = await device.say(phrases[(index + round_) % len(phrases)], _RATE)
                results.append(result)

    await asyncio.gather(*(one(index) for index in range(devices)))
    return results


async def _ring(stack: Stack, phrase: NDArray[np.int16], count: int) -> int:
    """Let a device set one timer after the other, and each of them ring; return how many did."""
    rang = 0
    async with Device(_settings(stack, DeviceAddress("capacity", "timers")), sink=NullSink()) as device:
        for _ in range(count):
            await device.say(phrase, _RATE)
            for _ in range(round(_RINGS_S / _LOOK_S)):
                if device.ringing:
                    await device.dismiss()
                    rang += 1
                    break
                await asyncio.sleep(_LOOK_S)
    return rang


def _settings(stack: Stack, address: DeviceAddress) -> DeviceSettings:
    return DeviceSettings(
        nats_url=stack.nats_url,
        household_id=address.household,
        device_id=address.device,
        credentials=stack.device_credentials(*address),
        locale="en-US",
    )


async def _connections(stack: Stack, group: _Group, effort: Effort) -> dict[str, Any]:
    """Connect a crowd to the stack's server; return the fields of `BusFigures` that come of it."""
    host, port = stack.nats_url.removeprefix("nats://").split(":")
    devices = [
        (address, crowd.Credentials.parse(stack.device_credentials(*address).read_text()))
        for address in crowd.addresses(effort.connections)
    ]
    members = crowd.Crowd(host, int(port))
    server = group[0]
    memory, cpu, began = server.memory_full_info().uss, _cpu_s(group), time.monotonic()
    await members.join(devices)
    took = time.monotonic() - began
    joined_cpu = _cpu_s(group) - cpu
    await asyncio.sleep(1.0)
    grown = server.memory_full_info().uss - memory
    idle = (await _idle({BUS: group}, effort.idle_s))[BUS]
    # As a recogniser tells devices what it hears: of all that is said to devices, nothing else is said as often.
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds(ASR)), inbox_prefix="_INBOX_asr")
    cpu, began, sent = _cpu_s(group), time.monotonic(), 0
    while sent < effort.deliveries:
        for address, _ in devices[: effort.deliveries - sent]:
            await client.publish(address.recognition(), _MESSAGE)
        sent += min(len(devices), effort.deliveries - sent)
        await client.flush()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            await members.delivered(sent)
    delivering_s, delivered_cpu = time.monotonic() - began, _cpu_s(group) - cpu
    await client.close()
    await members.close()
    delivered = max(1, members.tally.delivered)
    return {
        "connections": effort.connections,
        "memory_kib_per_connection": max(1.0, grown / 1024 / effort.connections),
        "cpu_s_per_connect": joined_cpu / effort.connections,
        "connects_per_s": effort.connections / took,
        "cpu_s_per_delivery": delivered_cpu / delivered,
        "deliveries_per_s": delivered / delivering_s,
        "cores_per_thousand_idle": idle * 1_000 / effort.connections,
    }


async def _stored_bytes(stack: Stack) -> dict[str, float]:
    """Return what a message takes in each stream that holds some."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")), inbox_prefix="_INBOX_admin")
    try:
        streams = await client.jetstream().streams_info()
    finally:
        await client.close()
    return {str(each.config.name): each.state.bytes / each.state.messages for each in streams if each.state.messages}


async def _start_s(child: Child, folder: Path) -> float:
    """Start one more replica of a service as a new pod would, with empty caches; return the seconds until it is ready."""
    port, caches = Ports().take(), folder / "empty"
    caches.mkdir()
    environment = dict(child.program.environment) | {
        "EARSHOT_INSTANCE_ID": "one-more",
        "EARSHOT_GRPC_PORT": "0",
        "EARSHOT_HTTP_PORT": str(port),
        "EARSHOT_ASR_CACHE": str(caches),
        "EARSHOT_NLU_MODELS": str(caches),
    }
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *child.program.command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_START_S):
            while not await http_ready(f"http://{HOST}:{port}/readyz"):
                if process.returncode is not None:
                    raise CliError(f"{child.name}: one more of it ended at its start", code="service_ended")
                await asyncio.sleep(0.05)
        return time.monotonic() - began
    except TimeoutError as error:
        raise CliError(
            f"{child.name}: one more of it is not ready after {_START_S:.0f} s; is the machine busy?",
            code="service_not_ready",
        ) from error
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        shutil.rmtree(caches, ignore_errors=True)
