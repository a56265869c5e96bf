"""The run that the tests of this folder look at."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from chaos.gate import VARIABLE
from chaos.gatekeeping import Gatekeeper
from chaos.system import ENVIRONMENT, REPLICAS, SERVICES
from earshot_local import backoff
from earshot_local.stack import Stack
from support.spans import exported_to
from traces.ambushes import PATIENT, Traced, traces_of

_CAST: Final = ("asr", "nlu", "dialogue", "tts", "echo")


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def ambushed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stack, dict[str, Traced]]]:
    """Let one device for each ambush speak one turn, all at once; return the traces by what happened."""
    keeper = Gatekeeper()
    patched = pytest.MonkeyPatch()
    # Whoever dies is back when another one has its work already: back sooner, it might take it again, and could not tell what became of it.
    patched.setattr(backoff, "FIRST_S", 1.5)
    services = [service for service in SERVICES if service.name in _CAST]
    with tempfile.TemporaryDirectory() as short:
        socket = Path(short) / "gate"
        async with (
            keeper.open(socket),
            Stack(
                home=tmp_path_factory.mktemp("traces"),
                services=services,
                scale={service.name: REPLICAS for service in services},
                env=ENVIRONMENT | PATIENT | {VARIABLE: str(socket)},
            ) as system,
        ):
            await system.ready(60)
            for _ in exported_to(system.otlp_endpoint):
                yield system, await traces_of(system, keeper)
    patched.undo()
