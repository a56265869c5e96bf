"""Deadlines: armed when an utterance begins, moved, due, obsolete, purged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from nats.js.api import RawStreamMsg

from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.errors import ConflictError
from earshot_dialogue.claims.chain import OutcomeChain
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.outcome import Kind, Segment
from earshot_dialogue.core.values import Prompt
from earshot_dialogue.deadlines import arm
from earshot_topology.subjects import TURN_DEADLINE_DUE, TURN_SPEECH_CANCELLED, DeviceAddress
from support.dialogues import Place, hypothesis
from support.fake_skill import FakeSkill
from support.spans import recorded_spans

pytestmark = pytest.mark.asyncio(loop_scope="module")


def soon(seconds: float) -> datetime:
    """Return a moment that is near."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def armed(place: Place, turn_id: str) -> RawStreamMsg:
    """Wait until a turn's deadline is armed; return it."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await place.replica.bus.jetstream.get_last_msg("DEADLINES", place.address.deadline_arm(turn_id))
            except Exception:  # noqa: BLE001 - not yet
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("locale", "spoken"), [("en-US", "Sorry, that took too long."), ("zh-CN", "抱歉，时间太久了。")]
)
async def test_a_turn_nobody_decided_is_apologised_for_when_its_deadline_is_due(
    place: Place, locale: str, spoken: str
) -> None:
    """In the turn's own language, with a Speak directive, within a second of the deadline."""
    turn = place.turn(locale=locale)
    at = soon(0.3)
    await arm(place.replica.bus, turn, at, "answer")
    (outcome,) = await place.outcome(turn.turn_id)
    assert datetime.now(UTC) - at < timedelta(seconds=1.5)
    assert (outcome.kind, outcome.error.code) == (outcome_pb2.OUTCOME_KIND_APOLOGISED, "deadline_exceeded")
    assert [each.text for each in outcome.prompts] == [spoken]
    assert [each.WhichOneof("command") for each in outcome.directives] == ["speak"]


async def test_the_deadline_is_armed_when_the_utterance_starts(place: Place) -> None:
    """For the longest utterance and the time to answer it, with household and device from the subject."""
    turn_id = place.turn().turn_id
    start = upstream_pb2.UtteranceStarted(
        turn_id=turn_id, boot_id="b1", time_zone="Asia/Tokyo", contract_version=1, interrupted_outcome_id="o1"
    )
    start.playback_format.sample_rate_hertz = 24_000
    cancelled = await place.replica.listen(TURN_SPEECH_CANCELLED)
    await place.replica.bus.publish(place.address.started("zh-CN", "stable"), start)
    message = await armed(place, turn_id)
    deadline = outcome_pb2.TurnDeadline.FromString(message.data or b"")
    ahead = deadline.turn.deadline_time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(seconds=36) < ahead < timedelta(seconds=39)
    assert (deadline.turn.household_id, deadline.turn.device_id) == place.address
    assert (deadline.turn.locale, deadline.turn.lane, deadline.turn.time_zone) == ("zh-CN", "stable", "Asia/Tokyo")
    assert deadline.turn.playback_format.sample_rate_hertz == 24_000
    assert deadline.waiting_for == "speech"
    assert [outcome_pb2.SpeechCancelled.FromString(each.data).outcome_id for each in cancelled] == ["o1"]


async def test_a_start_that_comes_late_does_not_move_the_deadline_back(place: Place) -> None:
    """What the recogniser has moved to the end of speech stays there when the start is delivered again."""
    turn = place.turn()
    await arm(place.replica.bus, turn, soon(2), "answer")
    first = await armed(place, turn.turn_id)
    with pytest.raises(ConflictError):
        await arm(place.replica.bus, turn, soon(60), "speech", only_first=True)
    assert (await armed(place, turn.turn_id)).seq == first.seq
    await arm(place.replica.bus, turn, soon(60), "answer")
    assert (await armed(place, turn.turn_id)).seq != first.seq


async def test_an_obsolete_deadline_changes_nothing(place: Place, skill: FakeSkill) -> None:
    """A decided turn keeps its outcome and gets no late span, here or where nobody saw it decided."""
    outcome = await place.says("x", hypothesis("weather.get_forecast", city="Paris"))
    assert len(skill.calls) == 1
    seen, unseen = outcome.turn, place.turn()
    ledger = OutcomeLedger(place.replica.bus)
    elsewhere = OutcomeChain(ledger, place.address.turn_outcome(unseen.turn_id), unseen, session_revision=1)
    await elsewhere.append(Segment(kind=Kind.ANSWERED))
    recording = recorded_spans()
    exporter = next(recording)
    await arm(place.replica.bus, seen, soon(0.1), "answer")
    await arm(place.replica.bus, unseen, soon(0.1), "answer")
    await asyncio.sleep(1.0)
    # The skill's own span ends when its call does, which may be after its answer.
    late = [span.name for span in exporter.get_finished_spans() if not span.name.endswith("Skill/Handle")]
    assert late == []
    recording.close()
    assert len(await place.segments(seen.turn_id)) == len(await place.segments(unseen.turn_id)) == 1


@pytest.mark.usefixtures("skill")
async def test_a_decided_turn_of_one_household_is_not_another_ones(place: Place) -> None:
    """A turn that was decided here leaves the deadline of a turn with the same id elsewhere in force."""
    decided = (await place.says("x", hypothesis("weather.get_forecast", city="Paris"))).turn
    other = Place(place.replica, DeviceAddress("h2", place.address.device))
    await arm(place.replica.bus, other.turn(decided.turn_id), soon(0.1), "answer")
    (outcome,) = await other.outcome(decided.turn_id)
    assert (outcome.turn.household_id, outcome.error.code) == ("h2", "deadline_exceeded")
    assert len(await place.segments(decided.turn_id)) == 1


async def test_an_answer_that_nobody_finished_is_finished_by_the_deadline(place: Place) -> None:
    """Its owner died and was never replaced: the last segment says so and the turn is over."""
    turn = place.turn()
    ledger = OutcomeLedger(place.replica.bus)
    dead = OutcomeChain(ledger, place.address.turn_outcome(turn.turn_id), turn, session_revision=1)
    await dead.append(Segment(kind=Kind.ANSWERED, prompts=(Prompt(text="First.", locale="en-US"),), final=False))
    await arm(place.replica.bus, turn, soon(0.1), "answer")
    first, last = await place.outcome(turn.turn_id)
    assert first.outcome_id == last.outcome_id
    assert (last.kind, last.error.code) == (outcome_pb2.OUTCOME_KIND_ANSWERED, "deadline_exceeded")
    assert [each.text for each in last.prompts] == ["Sorry, I can't go on with that."]


async def test_deadlines_that_were_read_are_purged(place: Place) -> None:
    """The stream has no maximum age: what was read is purged, what is to come stays."""
    due, coming = place.turn(), place.turn()
    await arm(place.replica.bus, due, soon(0.1), "answer")
    await arm(place.replica.bus, coming, soon(60), "answer")
    await place.outcome(due.turn_id)
    jetstream = place.replica.bus.jetstream
    async with asyncio.timeout(5):
        while (await jetstream.consumer_info("DEADLINES", "dialogue_deadline")).num_ack_pending:
            await asyncio.sleep(0.02)
    await place.replica.dialogue.purger.purge()
    left = await jetstream.stream_info("DEADLINES", subjects_filter=">")
    assert left.state.subjects is not None
    assert TURN_DEADLINE_DUE not in left.state.subjects
    assert place.address.deadline_arm(coming.turn_id) in left.state.subjects
