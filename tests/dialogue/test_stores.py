"""Buckets, sessions and device shadows as they are stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf import struct_pb2

from earshot.device.v1 import upstream_pb2
from earshot_chassis.buckets import Bucket
from earshot_chassis.errors import ConflictError, RetryableError
from earshot_chassis.ids import uuid7
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.session import PendingQuestion, Session
from earshot_dialogue.core.values import (
    CalendarValue,
    Hypothesis,
    OutcomeId,
    SessionId,
    SkillContext,
    SkillId,
    Slot,
    TurnId,
)
from earshot_dialogue.sessions import SessionStore
from earshot_dialogue.shadows import DeviceShadows
from support.dialogues import Place, Replica
from support.policies import NOW

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = Hypothesis(
    intent="timer.set",
    confidence=0.5,
    recognizer="fuzzy",
    skill_version="1.2.3",
    slots=(
        Slot(name="text", text="eggs", value="eggs"),
        Slot(name="number", text="three", value=3.0),
        Slot(name="duration", text="ten minutes", value=timedelta(minutes=10)),
        Slot(name="at", text="tomorrow", value=CalendarValue(start="2026-11-23", end="2026-11-24", grain="day")),
    ),
)
FIELDS = {"count": struct_pb2.Value(number_value=2)}
SESSION = Session(
    session_id=SessionId("s1"),
    expire_time=NOW,
    revision=7,
    next_turn_index=3,
    last_turn_id=TurnId("t3"),
    pending_question=PendingQuestion(hypothesis=QUESTION, slot_name="label", ask_count=2),
    skill_contexts={SkillId("timer"): SkillContext(struct_pb2.Struct(fields=FIELDS).SerializeToString())},
    last_hypothesis=QUESTION,
    last_outcome_id=OutcomeId("o3"),
    locale="zh-CN",
    last_prompts=("一", "二"),
)


async def test_a_session_comes_back_as_it_was_written(place: Place) -> None:
    """Every field, every kind of slot value."""
    store = SessionStore(place.replica.bus, OutcomeLedger(place.replica.bus))
    nothing = await store.read(place.address)
    assert (nothing.session, nothing.revision) == (None, 0)
    await store.update(place.address, nothing, lambda _before: SESSION)
    assert (await store.read(place.address)).session == SESSION


async def test_a_session_that_somebody_else_wrote_meanwhile_is_changed_as_it_then_is(place: Place) -> None:
    """The change is made again on what was written."""
    store = SessionStore(place.replica.bus, OutcomeLedger(place.replica.bus))
    stale = await store.read(place.address)
    await store.update(place.address, stale, lambda _before: SESSION)
    seen: list[Session | None] = []

    def change(before: Session | None) -> Session:
        seen.append(before)
        return replace(before or SESSION, revision=(before.revision if before else 0) + 1)

    await store.update(place.address, stale, change)
    assert seen == [None, SESSION]
    written = (await store.read(place.address)).session
    assert written is not None
    assert written.revision == SESSION.revision + 1


async def test_a_session_that_can_not_be_read_is_taken_as_none_and_written_over(place: Place) -> None:
    """Bytes of some later contract end a dialogue, but no turn."""
    store = SessionStore(place.replica.bus, OutcomeLedger(place.replica.bus))
    key = f"{place.address.household}.{place.address.device}"
    await place.replica.bus.jetstream.publish(f"$KV.SESSIONS.{key}", b"\xff\xff")
    broken = await store.read(place.address)
    assert broken.session is None
    await store.update(place.address, broken, lambda _before: SESSION)
    assert (await store.read(place.address)).session == SESSION


async def test_a_key_is_written_over_the_revision_that_was_read(replica: Replica) -> None:
    """Deleted keys too: their marker has a revision."""
    bucket, key = Bucket(replica.bus, "SESSIONS"), uuid7()
    first = await bucket.write(key, b"one", expected_revision=0, headers={"Told-By": "me"})
    entry = await bucket.read(key)
    assert (entry.value, entry.revision, entry.headers["Told-By"]) == (b"one", first, "me")
    with pytest.raises(ConflictError):
        await bucket.write(key, b"two", expected_revision=0)
    store = await replica.bus.jetstream.key_value("SESSIONS")
    await store.delete(key)
    gone = await bucket.read(key)
    assert gone.value is None
    assert gone.revision > first
    await bucket.write(key, b"", expected_revision=gone.revision)
    assert (await bucket.read(key)).value == b""


async def test_a_bucket_that_does_not_exist_is_an_error(replica: Replica) -> None:
    """And not an empty one."""
    with pytest.raises(RetryableError):
        await Bucket(replica.bus, "NO_SUCH_BUCKET").read("key")


async def test_a_shadow_is_what_the_device_said_last(place: Place) -> None:
    """What is delivered late or twice changes nothing; what another replica wrote is seen at once."""
    here, there = DeviceShadows(place.replica.bus), DeviceShadows(place.replica.bus)
    await here.start()
    assert await here.read(place.address) is None
    loud, quiet = upstream_pb2.StateChanged(volume_percent=90), upstream_pb2.StateChanged(volume_percent=10)
    assert await there.write(place.address, loud, NOW + timedelta(seconds=1))
    assert not await there.write(place.address, quiet, NOW)
    assert not await there.write(place.address, loud, NOW + timedelta(seconds=1))
    async with asyncio.timeout(5):
        while await here.read(place.address) is None:
            await asyncio.sleep(0.01)
    assert await here.read(place.address) == loud
