"""The guide in services/skillkit/README.md, followed to the letter: the skill on the page is built, tested and run."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from earshot.common.v1 import turn_pb2
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_registry import RegisteredSkill, SkillRegistry
from support.nats import NatsServer, nats_server

GUIDE = Path(__file__).resolve().parents[2] / "services" / "skillkit" / "README.md"
_FILE = re.compile(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TEST = re.compile(r"^```python\n(from earshot_skill_dice.*?)^```$", re.MULTILINE | re.DOTALL)

# A change of the live skills must be seen within this time.
SOON_S = 2.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the files of the guide, build the distribution and unpack it."""
    folder = tmp_path_factory.mktemp("dice")
    for path, content in _FILE.findall(GUIDE.read_text("utf-8")):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(site: Path, *arguments: str, stdout: int | None = None, **environment: str) -> subprocess.Popen[bytes]:
    """Start a process that has the distribution installed."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(site), **environment},
        cwd=site,
        stdout=stdout,
    )


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[tuple[NatsServer, SkillRegistry]]:
    """Run a bus and watch the skills on it."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        registry = SkillRegistry(SimpleNamespace(client=client))
        await registry.start()
        yield server, registry
        await registry.stop()
        await client.close()


async def found(registry: SkillRegistry, replicas: int, within_s: float) -> RegisteredSkill | None:
    """Wait until the dice have so many replicas; return them."""
    async with asyncio.timeout(within_s):
        while True:
            for skill in registry.snapshot.skills:
                if skill.description.skill_id == "dice" and len(skill.endpoints) == replicas:
                    return skill
            if replicas == 0 and len(registry.snapshot.skills) == 1:
                return None
            await asyncio.sleep(0.02)


async def roll(target: str, call: str, locale: str = "en-US") -> str:
    """Call the dice; return what they say."""
    turn = turn_pb2.TurnContext(turn_id="T", household_id="h1", device_id="d1", locale=locale)
    request = skill_pb2.HandleRequest(turn=turn, intent="roll", idempotency_key=call, attempt=1)
    async with connect(target) as channel:
        return "".join(
            [each.answer.prompts[0].text async for each in skill_pb2_grpc.SkillStub(channel).Handle(request)]
        )


async def test_the_guides_own_test_passes(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test on the page, with the distribution on the import path."""
    monkeypatch.syspath_prepend(str(site))
    (code,) = _TEST.findall(GUIDE.read_text("utf-8"))
    page: dict[str, Any] = {}
    exec(compile(code, str(GUIDE), "exec"), page)  # noqa: S102 - the page is ours
    try:
        await page["test_dice"]()
    finally:
        for name in [name for name in sys.modules if name.startswith("earshot_skill_dice")]:
            del sys.modules[name]


def test_a_stack_starts_the_guides_skill(site: Path) -> None:
    """Being installed is all that it takes: the stack has a service of it, with a role and a name to scale it by."""
    code = "from earshot_local import SERVICES; print([(s.name, s.module, s.role) for s in SERVICES if s.skill])"
    process = run(site, "-c", code, stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=30)
    assert "('dice', 'earshot_skill_dice', 'skill-dice')" in said.decode()


async def test_the_guides_skill_comes_answers_and_goes(site: Path, bus) -> None:
    """Two replicas register, share a household's state, and are gone within two seconds of SIGTERM."""
    server, registry = bus
    processes = [
        run(
            site,
            "-m",
            "earshot_skill_dice",
            EARSHOT_NATS_URL=server.url,
            EARSHOT_INSTANCE_ID=f"dice-{number}",
            EARSHOT_LOG_LEVEL="error",
        )
        for number in range(2)
    ]
    try:
        skill = await found(registry, 2, 20)
        assert skill is not None
        assert skill.description.version == "0.1.0"
        first, second = (endpoint.target for endpoint in skill.endpoints)
        # The same call again, at another replica, is the same roll.
        said = await roll(first, "h1.d1.T.0")
        assert re.fullmatch(r"You rolled [1-6]\.", said)
        assert await roll(second, "h1.d1.T.0") == said
        assert (await roll(second, "h1.d1.T.1", "zh-CN")).startswith("你掷了")
        for replicas, process in zip((1, 0), processes, strict=True):
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await found(registry, replicas, SOON_S)
            assert time.monotonic() - started < SOON_S
            assert await asyncio.to_thread(process.wait, 10) == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_mistake_ends_the_start_with_the_line_of_the_guide(site: Path, tmp_path: Path) -> None:
    """One line that names file and key, and an exit status of 1."""
    broken = tmp_path / "site"
    shutil.copytree(site, broken)
    sentences = broken / "earshot_skill_dice" / "sentences" / "en-US.yaml"
    sentences.write_text(sentences.read_text("utf-8").replace("  sides:", "  faces:"), "utf-8")
    process = subprocess.run(
        [sys.executable, "-m", "earshot_skill_dice"],
        env={**os.environ, "PYTHONPATH": str(broken)},
        cwd=broken,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert process.returncode == 1
    assert process.stderr.strip() in GUIDE.read_text("utf-8")
    assert process.stderr.count("\n") == 1
