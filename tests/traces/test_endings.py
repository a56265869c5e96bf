"""How a turn ended is in its trace and in the list of turns: by its deadline, by the device itself, by parking."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import nats
import pytest
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from chaos.lines import ECHO, line
from chaos.phases import Board
from chaos.speaking import Speaker
from chaos.system import device_settings
from earshot.dialogue.v1.outcome_pb2 import TurnDeadline
from earshot_cli import report
from earshot_local.stack import Stack
from earshot_topology import attributes
from earshot_topology.subjects import DeviceAddress
from support.browsing import browser
from traces.ambushes import PATIENT_DEVICE, Traced

# The first of them starts the stack and lets every owner die.
pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(150)]

Ambushed = tuple[Stack, dict[str, Traced]]
TRACE = "5bf7651916cd43dd8448eb211c80319d"


@asynccontextmanager
async def administrating(system: Stack) -> AsyncIterator[Client]:
    """Connect as an administrator."""
    client = await nats.connect(system.nats_url, user_credentials=str(system.creds("admin")))
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def without_understanding(system: Stack) -> AsyncIterator[None]:
    """Freeze NLU, all of it, so that nobody decides."""
    pids = [child.pid for name, child in system.processes.items() if name.startswith("nlu-") and child.pid]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def told(system: Stack, path: str, done: Callable[[Any], bool], **query: str) -> Any:
    """Ask the trace store until what it answers is enough."""
    async with asyncio.timeout(20), browser(base_url=system.traces_url) as client:
        while True:
            answer = await client.get(path, params=query)
            if answer.status_code == httpx.codes.OK and done(answer.json()):
                return answer.json()
            await asyncio.sleep(0.1)


def speaker(system: Stack, number: int, **options: float) -> Speaker:
    """Return a device that says one thing."""
    settings = device_settings(
        system, number, "en-US", capture_speed=4.0, playback_speed=20.0, **PATIENT_DEVICE | options
    )
    said = line(ECHO, "en-US", seconds=1.0, seed=number, pause_s=0.0, by=settings.device_id)
    return Speaker(settings, Board(), iter([said]))


async def brought_forward(client: Client, address: DeviceAddress) -> None:
    """Let the deadline that is armed for a device's turn, once its speech has ended, be due at once; all else stays."""
    async with asyncio.timeout(10):
        while True:
            try:
                armed: RawStreamMsg = await client.jetstream().get_last_msg(
                    "DEADLINES", f"turn.deadline.arm.{address.household}.{address.device}.*"
                )
                deadline = TurnDeadline.FromString(armed.data or b"")
            except NotFoundError:
                deadline = TurnDeadline()
            if deadline.waiting_for == "answer":
                break
            await asyncio.sleep(0.05)
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    await client.jetstream().publish(
        armed.subject or "", armed.data or b"", headers={**(armed.headers or {}), "Nats-Schedule": f"@at {at}"}
    )


def kinds(found: Mapping[str, Any]) -> list[str]:
    """Return the kinds of the marks."""
    return [mark["kind"] for mark in found["marks"]]


async def test_a_turn_that_its_deadline_ended_says_so(ambushed: Ambushed) -> None:
    """The deadline lies right below the root, in the turn's trace, with what it claimed, and it is told when it was armed."""
    system, _ = ambushed
    user = speaker(system, 20)
    async with administrating(system) as client, without_understanding(system), asyncio.TaskGroup() as group:
        group.create_task(user.converse(asyncio.Event(), 0.0))
        group.create_task(brought_forward(client, DeviceAddress("home20", "speaker20")))
    [turn] = user.turns
    found = await told(
        system,
        f"/api/turns/{turn.turn_id}",
        lambda one: "deadline" in kinds(one) and any(not span["parent_span_id"] for span in one["spans"]),
    )
    assert (found["turn"]["state"], found["turn"]["error_code"]) == ("apologised", "deadline_exceeded")
    (due,) = [span for span in found["spans"] if span["name"] == "turn.deadline process"]
    (root,) = [span for span in found["spans"] if not span["parent_span_id"]]
    assert due["parent_span_id"] == root["span_id"]
    assert root["name"] == "voice.turn"
    assert root["attributes"][attributes.TURN_KIND] == "apologised"
    assert due["attributes"].items() >= {
        (attributes.DEADLINE_RESULT, "claimed"),
        (attributes.DEADLINE_FOR, "answer"),
        (attributes.TURN_KIND, "apologised"),
        (attributes.ERROR_CODE, "deadline_exceeded"),
    }
    (listed,) = (await told(system, "/api/turns", lambda _: True, device="speaker20"))["turns"]
    assert "deadline" in kinds(listed)
    assert "deadline_armed" not in kinds(listed)
    assert "deadline_armed" in kinds(found)


async def test_a_turn_that_its_device_gave_up_says_so(ambushed: Ambushed) -> None:
    """It apologised with its own clip: whatever the cloud claimed afterwards, that is what was heard."""
    system, _ = ambushed
    user = speaker(system, 21, answer_timeout_s=1.0)
    async with without_understanding(system):
        await user.converse(asyncio.Event(), 0.0)
    [turn] = user.turns
    found = await told(
        system,
        f"/api/turns/{turn.turn_id}",
        lambda one: one["turn"]["outcome"] and any(not span["parent_span_id"] for span in one["spans"]),
    )
    assert (found["turn"]["state"], found["turn"]["abandoned"]) == ("abandoned", "cloud_timeout")
    (root,) = [span for span in found["spans"] if not span["parent_span_id"]]
    assert (root["status"], root["status_message"]) == ("error", "cloud_timeout")
    assert "abandoned" in kinds(found)
    assert "cloud_timeout" in report.note(found["turn"] | {"marks": found["marks"]})


async def test_a_parked_message_says_so(ambushed: Ambushed) -> None:
    """With the code of its error, in the trace that its sender began."""
    system, _ = ambushed
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    async with administrating(system) as client:
        await client.jetstream().publish("turn.transcribed", b"\xff\xff\xff", headers=headers)
    found = await told(system, f"/api/traces/{TRACE}", lambda one: bool(one["marks"]))
    (mark,) = found["marks"]
    assert (mark["kind"], mark["text"]) == ("parked", "✗ parked: malformed_payload")
    (span,) = found["spans"]
    assert span["status_message"] == "malformed_payload"
