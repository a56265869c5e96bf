"""earshot parked list | show | replay | drop, on messages that real services gave up."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot_chassis.codec import CONTENT_TYPE, content_type
from earshot_local import Stack
from earshot_local.plan import SERVICES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

EARSHOT = Path(sys.executable).parent / "earshot"
TRACE = "0af7651916cd43dd8448eb211c80319c"
WORDS = "call my doctor"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run what consumes."""
    services = [service for service in SERVICES if service.name in {"nlu", "dialogue", "asr", "tts"}]
    environment = {"EARSHOT_ASR_ENGINE": "recorded", "EARSHOT_ASR_VAD": "none", "EARSHOT_TTS_ENGINE": "recorded"}
    home = tmp_path_factory.mktemp("parked")
    (home / "recordings.json").write_text('{"constant": {"en-US": "what time is it"}}')
    environment["EARSHOT_ASR_RECORDINGS"] = str(home / "recordings.json")
    async with Stack(home=home, services=services, env=environment, tracestore=False) as running:
        await running.ready(60)
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def admin(stack: Stack):
    """Connect as an administrator."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
    yield client.jetstream()
    await client.close()


async def earshot(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(EARSHOT), "parked", *arguments],
        env={**os.environ, "EARSHOT_HOME": str(stack.home.root), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


async def listed(stack: Stack, *arguments: str, count: int = 1) -> list[dict[str, Any]]:
    """Return what is parked as soon as there are so many."""
    async with asyncio.timeout(40):
        while True:
            found = await earshot(stack, "list", "--json", *arguments)
            assert found.returncode == 0, found.stderr
            records: list[dict[str, Any]] = json.loads(found.stdout)["parked"]
            if len(records) == count:
                return records
            # Each look is a process.
            await asyncio.sleep(0.5)


def transcribed(household: str) -> events_pb2.TurnTranscribed:
    """Return an event that can be read, of a turn that can't be: its modality is not set."""
    event = events_pb2.TurnTranscribed(
        turn=turn_pb2.TurnContext(turn_id=uuid.uuid4().hex, household_id=household, device_id="d", locale="en-US")
    )
    event.alternatives.add(transcript=WORDS, confidence=0.9)
    return event


async def poison(admin: Any, household: str) -> None:
    """Publish one."""
    headers = {
        CONTENT_TYPE: content_type(events_pb2.TurnTranscribed),
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
    }
    await admin.publish("turn.transcribed", transcribed(household).SerializeToString(), headers=headers)


async def test_poison_of_every_consumer_is_listed_with_its_reason(stack: Stack, admin: Any) -> None:
    """Bytes that are no message, to everyone who consumes."""
    subjects = {
        "turn.transcribed": {"nlu"},
        "turn.interpreted": {"dialogue"},
        "turn.deadline.due": {"dialogue_deadline"},
        "turn.outcome.bytes.d.t": {"tts"},
        "device.bytes.d.up.event": {"dialogue_events"},
        "device.bytes.d.up.started.en-US.stable": {"asr", "dialogue_started"},
    }
    for subject in subjects:
        await admin.publish(subject, b"\xff\xff\xff")
    records = await listed(stack, "--code", "malformed_payload", count=7)
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(record["reasons"]["Subject"], set()).add(record["reasons"]["Consumer"])
        assert record["payload"] == {"hex": "ffffff"}
    assert found == subjects
    assert len(await listed(stack, "--household", "bytes", count=4)) == 4
    dropped = await earshot(stack, "drop", "--code", "malformed_payload", "--yes")
    assert dropped.returncode == 0
    assert await listed(stack, count=0) == []


async def test_a_message_is_shown_without_what_a_user_said(stack: Stack, admin: Any) -> None:
    """Reason, headers, trace id and content; the words only when they are asked for."""
    await poison(admin, "shown")
    [record] = await listed(stack, "--household", "shown")
    assert (record["service"], record["trace_id"], record["replays"]) == ("dialogue", TRACE, 0)
    number = str(record["sequence"])
    plain, private = await earshot(stack, "show", number), await earshot(stack, "show", number, "--pii")
    assert WORDS not in plain.stdout
    assert WORDS in private.stdout
    assert '"household_id": "shown"' in plain.stdout
    await earshot(stack, "drop", number)


async def test_a_replay_that_fails_again_is_parked_again(stack: Stack, admin: Any) -> None:
    """With its trace, and with the number of its replays; the record that was replayed is gone."""
    await poison(admin, "again")
    [first] = await listed(stack, "--household", "again")
    replayed = await earshot(stack, "replay", str(first["sequence"]))
    assert replayed.stdout == f"replayed: {first['sequence']}\n"
    async with asyncio.timeout(20):
        while not (again := await listed(stack, "--household", "again")) or again[0]["sequence"] == first["sequence"]:
            await asyncio.sleep(0.1)
    assert (again[0]["replays"], again[0]["trace_id"], again[0]["reasons"]["Code"]) == (
        1,
        TRACE,
        first["reasons"]["Code"],
    )
    gone = await earshot(stack, "replay", str(first["sequence"]))
    assert (gone.returncode, gone.stderr.count("\n")) == (1, 1)
    await earshot(stack, "drop", "--household", "again", "--yes")


async def test_a_replay_is_stored_once(stack: Stack, admin: Any) -> None:
    """Two people replay the same message, or one whose answer was lost: the stream has it once."""
    from earshot_cli.parked import ParkedMessages  # noqa: PLC0415

    await stack.processes["dialogue-0"].stop()
    event = upstream_pb2.DeviceEvent(event_id="e", boot_id="b")
    before = (await admin.stream_info("DEVICE_EVENTS")).state.last_seq
    headers = {
        "Earshot-Parked-Subject": "device.once.d.up.event",
        "Earshot-Parked-Code": "bus_unavailable",
        CONTENT_TYPE: content_type(upstream_pb2.DeviceEvent),
    }
    stored = await admin.publish("parked.dialogue.once", event.SerializeToString(), headers=headers)
    parked = ParkedMessages(admin)
    record = await parked.one(stored.seq)
    await parked.replay(record)
    await parked.replay(record)
    after = await admin.stream_info("DEVICE_EVENTS")
    assert after.state.last_seq == before + 1
    kept = await admin.get_msg("DEVICE_EVENTS", seq=after.state.last_seq)
    assert (kept.data, kept.headers["Earshot-Replayed"]) == (event.SerializeToString(), "1")
    assert not any(name.startswith("Earshot-Parked") for name in kept.headers)


async def test_what_is_not_there_is_one_sentence(stack: Stack) -> None:
    """A number that nothing has, and a bus that is not there."""
    for arguments in (("show", "999999"), ("drop", "999999"), ("list", "--url", "nats://127.0.0.1:9")):
        found = await earshot(stack, *arguments)
        assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1)
