"""earshot bus diff | apply, as a shell runs it, on a running stack and on a bus that is named."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nats

from earshot_local import Stack
from support.nats import free_port

EARSHOT = Path(sys.executable).parent / "earshot"


async def earshot(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against a state folder."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(EARSHOT), *arguments],
        env={**os.environ, "EARSHOT_HOME": str(home), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


async def test_drift_is_shown_and_mended(tmp_path: Path) -> None:
    """Exit codes are a script's: 0 as declared, 1 with drift; what would be lost is refused in one sentence."""
    async with Stack(home=tmp_path, services=(), tracestore=False) as stack:
        found = await earshot(tmp_path, "bus", "diff")
        assert (found.returncode, found.stdout) == (0, "the bus holds what is declared\n")

        client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        config = (await client.jetstream().stream_info("DIRECTIVES")).config
        await client.jetstream().update_stream(replace(config, max_msgs_per_subject=500))
        await client.jetstream().publish("device.h.d.down.directive", b"x")
        await client.close()

        found = await earshot(tmp_path, "bus", "diff", "--json")
        assert found.returncode == 1
        [drift] = json.loads(found.stdout)["drift"]
        assert drift["fields"] == [{"field": "max_msgs_per_subject", "declared": 100, "present": 500}]
        assert len(drift["losses"]) == 1

        refused = await earshot(tmp_path, "bus", "apply")
        assert refused.returncode == 1
        assert "--allow-destructive" in refused.stderr
        assert refused.stderr.count("\n") == 1
        named = ("--url", stack.nats_url, "--credentials", str(stack.creds("admin")))
        done = await earshot(tmp_path / "elsewhere", "bus", "apply", "--allow-destructive", *named)
        assert done.stdout == "stream DIRECTIVES: updated\n"
        assert (await earshot(tmp_path, "bus", "apply")).stdout == "nothing to do\n"


async def test_a_bus_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """So are a missing file and an impossible number of copies."""
    url = f"nats://127.0.0.1:{free_port()}"
    for arguments in (
        ("--url", url),
        ("--url", url, "--credentials", str(tmp_path / "none.creds")),
        ("--url", url, "--replicas", "2"),
    ):
        found = await earshot(tmp_path, "bus", "diff", *arguments)
        assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1)
