"""earshot device wait: a device for somebody at a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.ringing import ring

pytestmark = pytest.mark.asyncio(loop_scope="package")


@asynccontextmanager
async def earshot(stack, *arguments: str):
    """Run the command in a terminal of its own."""
    running = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("earshot")),
        *arguments,
        env=os.environ | {"EARSHOT_HOME": str(stack.home.root)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def shown(running, words: str) -> None:
    """Wait until a line with these words is shown."""
    async with asyncio.timeout(30):
        while line := await running.stdout.readline():
            if words in line.decode():
                return
    raise AssertionError((await running.stderr.read()).decode())


async def test_what_is_due_is_shown_and_enter_stops_it(stack, address, scheduler):
    """A ring is named; Enter ends it and the scheduler hears of it; the same device elsewhere is refused with a code."""
    who = ("--household", address.household, "--device", address.device)
    await scheduler.direct(ring("a"))
    async with earshot(stack, "device", "wait", *who) as running:
        await shown(running, "rings  timer, 1 minute 30 seconds, “eggs”, due ")
        async with earshot(stack, "device", "wait", *who, "--json") as second:
            output, _ = await asyncio.wait_for(second.communicate(), 30)
        assert second.returncode == 1
        assert json.loads(output)["error"]["code"] == "device_in_use"
        running.stdin.write(b"\n")
        await shown(running, "silent  timer, 1 minute 30 seconds, “eggs”")
        await scheduler.told("a")
        running.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(running.wait(), 20) == 130
        assert b"Traceback" not in await running.stderr.read()
