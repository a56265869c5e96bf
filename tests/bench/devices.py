"""Thousands of connected devices on one nats-server: what a connection takes, how fast they are told, how they come back.

Usage: python -m bench.devices [--devices N] [--messages N] [--jitter S]

A real nats-server in operator mode, with all streams, and devices as it sees them: each with credentials and a subscription of
its own, in one process that holds raw connections (`earshot_cli.capacity.crowd`). They connect, are told something each, are
silent (pings), and lose their server, which is killed and started again on the same port; each waits for up to `--jitter`
seconds and comes back, twice as long after each failure. The floor of a delivery is a bare core message between two clients
in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nats
import psutil
import uvloop

from bench.results import machine, percentile, table, write
from earshot_cli.capacity import crowd
from earshot_local import Service
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress

DEVICES, MESSAGES, JITTER_S, IDLE_S = 5_000, 50_000, 5.0, 10.0
NOBODY: tuple[Service, ...] = ()
_BACK_S = 180.0
_MESSAGE = b"x" * 200

Devices = Sequence[tuple[DeviceAddress, crowd.Credentials]]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used."""

    memory: int
    cpu_s: float
    at: float


def usage(process: psutil.Process) -> Usage:
    """Return what a process uses at the moment."""
    times = process.cpu_times()
    return Usage(process.memory_full_info().uss, times.user + times.system, time.monotonic())


def server_of(stack: Stack) -> psutil.Process:
    """Return the nats-server that runs at the moment."""
    return psutil.Process(stack.processes["nats-server"].pid)


@contextlib.asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Stack]:
    """Run a nats-server in operator mode with all streams, and no service."""
    async with Stack(home=folder, services=NOBODY, tracestore=False) as stack:
        await stack.ready()
        yield stack


async def floor_us(stack: Stack, messages: int) -> float:
    """Return microseconds of the server's CPU for a message between two clients."""
    server = server_of(stack)
    sender = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("asr")), inbox_prefix="_INBOX_asr")
    address = crowd.addresses(1)[0]
    receiver = crowd.Crowd(*place(stack))
    await receiver.join([(address, credentials(stack, address))])
    before = usage(server)
    for _ in range(messages):
        await sender.publish(address.recognition(), _MESSAGE)
    await sender.flush()
    async with asyncio.timeout(60):
        await receiver.delivered(messages)
    used = usage(server).cpu_s - before.cpu_s
    await receiver.close()
    await sender.close()
    return used / messages * 1e6


def place(stack: Stack) -> tuple[str, int]:
    """Return where the server listens."""
    host, port = stack.nats_url.removeprefix("nats://").split(":")
    return host, int(port)


def credentials(stack: Stack, address: DeviceAddress) -> crowd.Credentials:
    """Return a device's credentials."""
    return crowd.Credentials.parse(stack.device_credentials(*address).read_text())


async def tell(stack: Stack, members: crowd.Crowd, devices: Devices, messages: int) -> tuple[float, float]:
    """Tell every device the same number of things; return deliveries a second and the server's CPU for each, in µs."""
    server = server_of(stack)
    sender = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("asr")), inbox_prefix="_INBOX_asr")
    each = max(1, messages // len(devices))
    before, already = usage(server), members.tally.delivered
    for _ in range(each):
        for address, _known in devices:
            await sender.publish(address.recognition(), _MESSAGE)
        await sender.flush()
    async with asyncio.timeout(120):
        await members.delivered(already + each * len(devices))
    after = usage(server)
    await sender.close()
    told = each * len(devices)
    return told / (after.at - before.at), (after.cpu_s - before.cpu_s) / told * 1e6


async def storm(stack: Stack, members: crowd.Crowd, count: int) -> tuple[list[float], float, int]:
    """Kill the server; return when each device was back, the server's CPU seconds for it, and the handshakes that failed.

    Raises:
        SystemExit: Not all of them came back.
    """
    refused = members.tally.refused
    stack.processes["nats-server"].kill()
    try:
        async with asyncio.timeout(_BACK_S):
            while len(members.returned_s) < count:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise SystemExit(f"{count - len(members.returned_s)} of {count} devices did not come back") from None
    await stack.ready()
    return sorted(members.returned_s), usage(server_of(stack)).cpu_s, members.tally.refused - refused


async def bench(count: int, messages: int, jitter_s: float) -> None:
    """Run the benchmark."""
    crowd.room_for(count)
    with tempfile.TemporaryDirectory() as folder:
        async with started(Path(folder)) as stack:
            began = time.monotonic()
            devices = [(address, credentials(stack, address)) for address in crowd.addresses(count)]
            print(f"{count} credentials made in {time.monotonic() - began:.1f} s", file=sys.stderr)
            floor = await floor_us(stack, min(messages, 20_000))
            server = server_of(stack)
            members = crowd.Crowd(*place(stack), jitter_s=jitter_s)
            before = usage(server)
            took = await members.join(devices)
            after = usage(server)
            print(f"{members.tally.there} are there", file=sys.stderr)
            await asyncio.sleep(1)
            idle_from = usage(server)
            await asyncio.sleep(IDLE_S)
            idle = usage(server)
            per_s, cpu_us = await tell(stack, members, devices, messages)
            told = members.tally.delivered
            print(f"{told} messages delivered", file=sys.stderr)
            back, storm_cpu_s, refused = await storm(stack, members, count)
            again_per_s, _ = await tell(stack, members, devices, count)
            errors = members.tally.errors
            there = members.tally.there
            await members.close()
    figures = {
        "devices": count,
        "connected": there,
        "memory_kib_per_connection": (idle_from.memory - before.memory) / 1024 / count,
        "server_mib": idle.memory / 2**20,
        "connects_per_s": count / (after.at - before.at),
        "connect_cpu_ms": (after.cpu_s - before.cpu_s) / count * 1e3,
        "connect_p50_ms": percentile(took, 0.5) * 1e3,
        "connect_p99_ms": percentile(took, 0.99) * 1e3,
        "idle_cores": (idle.cpu_s - idle_from.cpu_s) / (idle.at - idle_from.at),
        "deliveries_per_s": per_s,
        "delivery_cpu_us": cpu_us,
        "floor_cpu_us": floor,
        "lost_messages": messages // count * count - told,
        "back_p50_s": percentile(back, 0.5),
        "back_p99_s": percentile(back, 0.99),
        "back_all_s": back[-1],
        "back_cpu_s": storm_cpu_s,
        "back_handshakes_failed": refused,
        "deliveries_per_s_after": again_per_s,
        "protocol_errors": len(errors),
    }
    print(f"{count} devices on {machine()}")
    print(table(("figure", "value"), [(name, f"{value:.2f}") for name, value in figures.items()]))
    print(f"written to {write('bench-devices', figures)}")
    if there < count or figures["lost_messages"] or errors:
        raise SystemExit(
            f"{count - there} devices are not there, {figures['lost_messages']} messages lost: {errors[:3]}"
        )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Connected devices on one nats-server.")
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument(
        "--jitter", type=float, default=JITTER_S, help="seconds that a device waits for at most, at first"
    )
    arguments = parser.parse_args()
    uvloop.run(bench(arguments.devices, arguments.messages, arguments.jitter))


if __name__ == "__main__":
    main()
