"""earshot bus secrets, earshot attach: services that run elsewhere, with keys of this machine's state folder."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from earshot_local import Stack

EARSHOT = Path(sys.executable).parent / "earshot"


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "EARSHOT_HOME": str(home), "COLUMNS": "200"}


async def earshot(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against a state folder."""
    command = [str(EARSHOT), *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, env=_environment(home), capture_output=True, text=True, check=False, timeout=60
    )


async def test_commands_use_a_bus_elsewhere_while_one_is_attached(tmp_path: Path) -> None:
    """With the keys that a bus trusts, another folder's commands find it like their own stack's, until Ctrl-C."""
    there, here = tmp_path / "there", tmp_path / "here"
    async with Stack(home=there, services=(), tracestore=False) as stack:
        here.mkdir()
        shutil.copy(there / "keys.json", here)
        printed = await earshot(here, "bus", "secrets")
        trust = next(iter(yaml.safe_load_all(printed.stdout)))
        elsewhere = yaml.safe_load_all((await earshot(here, "bus", "secrets", "-n", "other")).stdout)
        assert {each["metadata"]["namespace"] for each in elsewhere} == {"other", "other-admin"}
        assert (trust["kind"], trust["metadata"]["name"]) == ("ConfigMap", "bus-trust")
        attached = await asyncio.create_subprocess_exec(
            *(str(EARSHOT), "attach", "--url", stack.nats_url, "--grpc", "dialogue=127.0.0.1:5", "--json"),
            env=_environment(here),
            stdout=asyncio.subprocess.PIPE,
        )
        assert attached.stdout is not None
        told = json.loads(await attached.stdout.readuntil(b"\n}\n"))
        assert told == {"nats": stack.nats_url, "grpc": {"dialogue": "dns:///127.0.0.1:5"}}
        assert (await earshot(here, "bus", "diff")).stdout == "the bus holds what is declared\n"
        attached.send_signal(signal.SIGINT)
        await attached.wait()
        left = await earshot(here, "bus", "diff")
        assert "no stack is running" in left.stderr


async def test_keys_that_the_bus_does_not_trust_are_one_sentence(tmp_path: Path) -> None:
    """So are a folder without keys, and an address that can't be read."""
    async with Stack(home=tmp_path / "there", services=(), tracestore=False) as stack:
        other = tmp_path / "other"
        await earshot(other, "bus", "secrets")
        for home, arguments, code in (
            (other, ("--url", stack.nats_url), "unreachable"),
            (tmp_path / "none", ("--url", stack.nats_url), "bad_argument"),
            (other, ("--url", stack.nats_url, "--grpc", "dialogue"), "bad_argument"),
        ):
            found = await earshot(home, "attach", "--json", *arguments)
            assert found.returncode == 1
            assert json.loads(found.stdout)["error"]["code"] == code
            assert found.stderr.count("\n") == 1


async def test_secrets_can_be_made_again(tmp_path: Path) -> None:
    """Keys stay, so that who was let in is let in; users are new ones, and the folder is nobody else's to read."""
    first, second = [
        list(yaml.safe_load_all((await earshot(tmp_path / "keys", "bus", "secrets")).stdout)) for _ in range(2)
    ]
    assert [each["metadata"]["name"] for each in first] == [each["metadata"]["name"] for each in second]
    assert first[0]["data"]["account"] == second[0]["data"]["account"]
    assert first[1]["stringData"] != second[1]["stringData"]
    assert (tmp_path / "keys" / "keys.json").stat().st_mode & 0o077 == 0
