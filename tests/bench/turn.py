"""Platform overhead of a turn: everything but the engines, which give recorded results.

Usage: python -m bench.turn [--seconds N]

Same processes as in production, file storage, every turn traced. Spoken: from the device's last frame of speech to the
first frame of the answer at the device. Typed: from the Converse call to its response. The
detector of voice activity counts as an engine: the device ends the utterance. CPU is that of all services and nats-server,
without the devices and the trace store; the JSON holds it at one session and at the level with the most turns a second. The floor is the sum of a spoken turn's raw hops, measured in the
same run with bare nats-py and grpcio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench import floor as raw
from bench.results import machine, percentile, table, write
from bench.sessions import Session, SpokenSession, Tally, TypedSession, closed_loop
from earshot_chassis.rpc_client import connect
from earshot_chassis.settings import ServiceSettings
from earshot_chassis.telemetry import Telemetry
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress

TEXT, INTENT = "what time is it", "clock.get_time"
LEVELS = (1, 4, 16, 32, 64)
ENGINES = {
    "EARSHOT_ASR_ENGINE": "recorded",
    "EARSHOT_ASR_VAD": "none",
    "EARSHOT_ASR_UTTERANCES": "128",
    # All of them are one household's.
    "EARSHOT_ASR_QUOTA_UTTERANCES": "0",
    "EARSHOT_ASR_QUOTA_CONCURRENT": "0",
    "EARSHOT_ASR_QUOTA_BYTES": "0",
    "EARSHOT_TTS_ENGINE": "recorded",
    "EARSHOT_LOG_LEVEL": "warning",
    "EARSHOT_TRACE_PII": "false",
}

# The hops between a device's last frame of speech and its first frame of the answer, as the trace shows them.
HOPS = (
    ("core: last audio frame, device to asr", "core_one_way"),
    ("JetStream: turn.transcribed, asr to nlu", "publish_to_fetch"),
    ("JetStream: turn.interpreted, nlu to dialogue", "publish_to_fetch"),
    ("KV: session read", "kv_get"),
    ("gRPC: Skill.Handle, server stream", "grpc_stream"),
    ("JetStream: turn.outcome, dialogue to tts", "publish_to_fetch"),
    ("core: first speech frame, tts to device", "core_one_way"),
)

# Parent to child, by span name: a turn whose trace lacks one of these was not the turn we meant to measure.
EDGES = (
    ("voice.turn", "utterance.started process"),
    ("utterance.started process", "asr.recognize"),
    ("asr.recognize", "turn.transcribed process"),
    ("turn.transcribed process", "turn.interpreted process"),
    ("turn.interpreted process", "turn.outcome process"),
    ("earshot.skill.v1.Skill/Handle", "earshot.skill.v1.Skill/Handle"),
)


@dataclass(frozen=True, slots=True)
class Level:
    """One number of sessions, measured."""

    sessions: int
    tally: Tally
    seconds: float
    cpu_s: float

    @property
    def turns_per_s(self) -> float:
        """Answered turns a second."""
        return len(self.tally.took_s) / self.seconds

    @property
    def cpu_ms_per_turn(self) -> float:
        """CPU of services and bus, milliseconds a turn."""
        return self.cpu_s * 1e3 / max(1, len(self.tally.took_s))

    def quantile_ms(self, share: float) -> float:
        """Latency in milliseconds."""
        return percentile(self.tally.took_s, share) * 1e3


def platform_processes(stack: Stack) -> list[psutil.Process]:
    """Return services and nats-server with their children; not the trace store, not this process."""
    found = []
    for name, child in stack.processes.items():
        if name != "tracestore" and not name.startswith("weather-sample") and child.pid:
            process = psutil.Process(child.pid)
            found += [process, *process.children(recursive=True)]
    return found


def cpu_s(processes: list[psutil.Process]) -> float:
    """Return the CPU time that processes have used."""
    times = [process.cpu_times() for process in processes]
    return sum(found.user + found.system for found in times)


def memory_mib(processes: list[psutil.Process]) -> float:
    """Return the memory that processes have for themselves (USS)."""
    return sum(process.memory_full_info().uss for process in processes) / 2**20


async def run_level(sessions: list[Session], processes: list[psutil.Process], seconds: float) -> Level:
    """Warm up, then measure one level."""
    await closed_loop(sessions, min(1.0, seconds / 4))
    before, began = cpu_s(processes), time.monotonic()
    tally = await closed_loop(sessions, seconds)
    return Level(len(sessions), tally, time.monotonic() - began, cpu_s(processes) - before)


async def check_traces(stack: Stack, traces: list[str]) -> tuple[int, dict[str, int]]:
    """Assert the edges of some traces; return the largest number of spans and how often each span appears."""
    await asyncio.sleep(2.0)
    largest, names = 0, {}
    async with httpx.AsyncClient(base_url=stack.traces_url, timeout=10) as client:
        for trace_id in traces:
            answer = await client.get(f"/api/traces/{trace_id}")
            answer.raise_for_status()
            spans = answer.json()["spans"]
            by_id = {span["span_id"]: span for span in spans}
            edges = {
                (by_id[span["parent_span_id"]]["name"], span["name"])
                for span in spans
                if span["parent_span_id"] in by_id
            }
            missing = [edge for edge in EDGES if edge not in edges]
            if missing:
                raise SystemExit(f"trace {trace_id} lacks {missing}; it has {sorted(edges)}")
            largest = max(largest, len(spans))
            for span in spans:
                names[span["name"]] = names.get(span["name"], 0) + 1
    return largest, names


def report(kind: str, levels: list[Level]) -> str:
    """Return the table of one kind of turn."""
    rows = [
        (
            level.sessions,
            f"{level.quantile_ms(0.5):.1f}",
            f"{level.quantile_ms(0.95):.1f}",
            f"{level.quantile_ms(0.99):.1f}",
            f"{level.cpu_ms_per_turn:.1f}",
            f"{level.turns_per_s:.0f}",
            level.tally.lost,
        )
        for level in levels
    ]
    header = ("sessions", "p50 ms", "p95 ms", "p99 ms", "CPU ms/turn", "turns/s", "lost")
    return f"\n{kind} turns\n{table(header, rows)}"


async def bench(seconds: float, levels: tuple[int, ...]) -> None:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder) / "recordings.json"
        recordings.write_text(json.dumps({"constant": {"en-US": TEXT}}))
        began = time.monotonic()
        async with Stack(
            home=Path(folder) / "stack", env=ENGINES | {"EARSHOT_ASR_RECORDINGS": str(recordings)}
        ) as stack:
            await stack.ready()
            cold_start_s = time.monotonic() - began
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.otlp_endpoint
            telemetry = Telemetry("bench", "0", ServiceSettings(log_level="error"))
            telemetry.start()
            floor = await raw.measure(stack.nats_url, stack.creds("admin"))
            floor_ms = sum(getattr(floor, name) for _, name in HOPS)
            processes = platform_processes(stack)
            spoken, typed = await measure(stack, processes, seconds, levels)
            memory = memory_mib(platform_processes(stack))
            # Batches of spans of this process wait for up to half a second.
            telemetry.stop()
            sampled = [trace for level in spoken for trace in level.tally.traces[-5:]]
            largest, names = await check_traces(stack, sampled)
        print(f"{machine()}; cold start {cold_start_s:.1f} s; memory of the set {memory:.0f} MiB (USS)")
        print(
            f"\nfloor of a spoken turn\n{table(('hop', 'p50 ms'), [(t, f'{getattr(floor, n):.2f}') for t, n in HOPS])}"
        )
        print(f"sum {floor_ms:.2f} ms")
        print(report("spoken", spoken))
        print(report("typed", typed))
        print(f"\nspans of a spoken turn: at most {largest} ({', '.join(sorted(names))})")
        best = max(spoken, key=lambda level: level.turns_per_s)
        lost = sum(level.tally.lost for level in (*spoken, *typed))
        write(
            "bench-turn",
            {
                "p50_ms": spoken[0].quantile_ms(0.5),
                "p99_ms": spoken[0].quantile_ms(0.99),
                "floor_p50_ms": floor_ms,
                "cpu_ms_per_turn": best.cpu_ms_per_turn,
                "cpu_ms_per_turn_1": spoken[0].cpu_ms_per_turn,
                "turns_per_s": best.turns_per_s,
                "p50_ms_32": next((level.quantile_ms(0.5) for level in spoken if level.sessions == 32), None),
                "lost": lost,
                "typed_p50_ms": typed[0].quantile_ms(0.5),
                "typed_turns_per_s": max(level.turns_per_s for level in typed),
                "cold_start_s": cold_start_s,
                "memory_mib": memory,
            },
        )
        if lost:
            raise SystemExit(f"{lost} turns were not answered as they should have been")


async def measure(
    stack: Stack, processes: list[psutil.Process], seconds: float, levels: tuple[int, ...]
) -> tuple[list[Level], list[Level]]:
    """Measure every level, spoken and typed."""
    spoken, typed = [], []
    for count in levels:
        addresses = [DeviceAddress("bench", f"device{index}") for index in range(count)]
        opened: list[Session] = [
            await SpokenSession.open(stack.nats_url, stack.device_credentials(*address), address, INTENT)
            for address in addresses
        ]
        spoken.append(await run_level(opened, processes, seconds))
        for session in opened:
            await session.close()
        print(f"spoken, {count} sessions: {spoken[-1].turns_per_s:.0f} turns/s", file=sys.stderr)
    async with connect(stack.grpc_target("dialogue")) as channel:
        for count in levels:
            addresses = [DeviceAddress("bench", f"typed{index}") for index in range(count)]
            typed.append(
                await run_level(
                    [TypedSession(address, channel, TEXT, INTENT) for address in addresses], processes, seconds
                )
            )
            print(f"typed, {count} sessions: {typed[-1].turns_per_s:.0f} turns/s", file=sys.stderr)
    return spoken, typed


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Platform overhead of a turn.")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long to measure each level")
    parser.add_argument("--sessions", default=",".join(map(str, LEVELS)), help="levels, comma separated")
    arguments = parser.parse_args()
    import uvloop  # noqa: PLC0415 - as the services do

    uvloop.run(bench(arguments.seconds, tuple(map(int, arguments.sessions.split(",")))))


if __name__ == "__main__":
    main()
