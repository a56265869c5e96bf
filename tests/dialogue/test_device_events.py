"""What devices tell: barge-in, turns they closed themselves, their state, and what they missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from nats.js.errors import NotFoundError

from earshot.device.v1 import downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.skill.v1 import skill_pb2
from earshot_topology.subjects import TURN_SPEECH_CANCELLED
from support.dialogues import Place, hypothesis
from support.fake_skill import FakeSkill, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORECAST = "weather.get_forecast"


async def tell(place: Place, **event: object) -> None:
    """Publish what the device says happened."""
    await place.replica.bus.publish(place.address.event(), upstream_pb2.DeviceEvent(event_id="e", **event))


async def shadow(place: Place, volume: int) -> upstream_pb2.StateChanged:
    """Wait until the device's shadow has a volume; return it."""
    subject = f"$KV.DEVICE_STATES.{place.address.household}.{place.address.device}"
    async with asyncio.timeout(5):
        while True:
            try:
                message = await place.replica.bus.jetstream.get_msg("KV_DEVICE_STATES", subject=subject)
            except NotFoundError:
                pass
            else:
                state = upstream_pb2.StateChanged.FromString(message.data or b"")
                if state.volume_percent == volume:
                    return state
            await asyncio.sleep(0.01)


async def test_a_barge_in_stops_the_speech(place: Place) -> None:
    """The outcome that was interrupted is cancelled at every TTS worker."""
    heard = await place.replica.listen(TURN_SPEECH_CANCELLED)
    await tell(place, playback_interrupted={"position": {"outcome_id": "o1", "frame_sequence": 7}})
    async with asyncio.timeout(5):
        while not heard:
            await asyncio.sleep(0.01)
    cancelled = outcome_pb2.SpeechCancelled.FromString(heard[0].data)
    assert (cancelled.household_id, cancelled.device_id, cancelled.outcome_id) == (*place.address, "o1")


async def test_a_turn_that_the_device_closed_takes_no_late_answer(place: Place, skill: FakeSkill) -> None:
    """TurnAbandoned claims CANCELLED; the answer that comes afterwards is refused, and the session does not know it."""
    turn = place.turn()
    await tell(place, turn_id=turn.turn_id, turn_abandoned={"reason": "user_cancelled"})
    (closed,) = await place.outcome(turn.turn_id)
    assert (closed.kind, closed.error.code) == (outcome_pb2.OUTCOME_KIND_CANCELLED, "turn_abandoned")
    assert (list(closed.prompts), list(closed.directives)) == ([], [])
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    async with asyncio.timeout(5):
        while not skill.calls:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert len(await place.segments(turn.turn_id)) == 1
    assert await place.session() is None


async def test_a_turn_that_was_answered_before_the_device_closed_it_is_silenced(place: Place, skill: FakeSkill) -> None:
    """The outcome stands, but nobody is to speak it any more."""
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert skill.calls
    heard = await place.replica.listen(TURN_SPEECH_CANCELLED)
    await tell(place, turn_id=outcome.turn.turn_id, turn_abandoned={"reason": "cloud_timeout", "apology_played": True})
    async with asyncio.timeout(5):
        while not heard:
            await asyncio.sleep(0.01)
    assert outcome_pb2.SpeechCancelled.FromString(heard[0].data).outcome_id == outcome.outcome_id
    assert len(await place.segments(outcome.turn.turn_id)) == 1


async def test_an_answer_in_progress_is_ended_when_the_device_closes_its_turn(place: Place, skill: FakeSkill) -> None:
    """A streaming answer gets its last segment from the event; the skill's next one is refused."""
    go_on = asyncio.Event()

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> AsyncIterator[skill_pb2.HandleResponse]:
        yield answer("First.", final=False)
        await go_on.wait()
        yield answer("Second.")

    skill.handle = handle
    turn = place.turn()
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    async with asyncio.timeout(5):
        while not await place.segments(turn.turn_id):
            await asyncio.sleep(0.01)
    await tell(place, turn_id=turn.turn_id, turn_abandoned={"reason": "user_cancelled"})
    segments = await place.outcome(turn.turn_id)
    go_on.set()
    await asyncio.sleep(0.1)
    assert [len(each.prompts) for each in segments] == [1, 0]
    assert len(await place.segments(turn.turn_id)) == 2


async def test_an_answer_in_progress_is_ended_by_a_barge_in(place: Place, skill: FakeSkill) -> None:
    """What the user spoke over does not go on afterwards."""
    go_on = asyncio.Event()

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> AsyncIterator[skill_pb2.HandleResponse]:
        yield answer("First.", final=False)
        await go_on.wait()
        yield answer("Second.")

    skill.handle = handle
    turn = place.turn()
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    async with asyncio.timeout(5):
        while not (begun := await place.segments(turn.turn_id)):
            await asyncio.sleep(0.01)
    await tell(place, playback_interrupted={"position": {"outcome_id": "another"}})
    await tell(place, playback_interrupted={"position": {"outcome_id": begun[0].outcome_id}})
    segments = await place.outcome(turn.turn_id)
    go_on.set()
    await asyncio.sleep(0.1)
    assert [each.error.code for each in segments] == ["", "interrupted_by_user"]
    assert len(await place.segments(turn.turn_id)) == 2


async def test_the_state_of_a_device_reaches_its_skills(place: Place, skill: FakeSkill) -> None:
    """The shadow is the last state told, and every call carries it, also when it has just changed."""
    await tell(place, state_changed={"volume_percent": 30})
    await shadow(place, 30)
    await place.says("x", hypothesis(FORECAST, city="Paris"))
    await tell(place, state_changed={"volume_percent": 60, "media_item_id": "m1", "media_playing": True})
    await shadow(place, 60)
    await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert [call.device_state.volume_percent for call in skill.calls] == [30, 60]
    await tell(place, media_finished={"media_item_id": "m1"})
    async with asyncio.timeout(5):
        while (await shadow(place, 60)).media_playing:
            await asyncio.sleep(0.01)


async def test_stop_silences_what_rings_before_what_plays(place: Place, skill: FakeSkill) -> None:
    """While something rings, stop means the ringing, also what has begun to since the device told."""
    await tell(place, state_changed={"volume_percent": 10, "media_playing": True, "ringing_occurrence_ids": ["r1"]})
    await shadow(place, 10)
    outcome = await place.says("stop", hypothesis("assistant.stop"))
    assert skill.calls == []
    assert [each.WhichOneof("command") for each in outcome.directives] == ["stop_ring", "stop_ring"]
    assert [each.stop_ring.occurrence_id for each in outcome.directives] == ["r1", ""]


async def test_a_device_that_was_away_is_told_again(place: Place, skill: FakeSkill) -> None:
    """It asks, hears every segment on its own subject, and learns of a turn without an outcome that there is none."""

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> AsyncIterator[skill_pb2.HandleResponse]:
        yield answer("First.", final=False)
        yield answer("Second.")

    skill.handle = handle
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    turn_id = outcome.turn.turn_id
    heard = await place.replica.listen(place.address.outcome(turn_id))

    async def ask(turn: str) -> bool:
        request = upstream_pb2.OutcomeStatusRequest(turn_id=turn)
        reply = await place.replica.bus.client.request(place.address.outcome_status(), request.SerializeToString())
        return upstream_pb2.OutcomeStatusResponse.FromString(reply.data).decided

    assert await ask(turn_id)
    assert [outcome_pb2.Outcome.FromString(each.data).segment_index for each in heard] == [0, 1]
    assert not await ask("another-turn")


async def test_an_event_of_a_later_contract_is_counted_and_left(place: Place) -> None:
    """An event without a known body does no harm; the next one is handled."""
    await tell(place)
    await tell(place, state_changed={"volume_percent": 44})
    await shadow(place, 44)


async def test_a_device_is_told_of_an_event_that_can_not_be_read(place: Place) -> None:
    """Bytes that are no event are parked, and the device hears so on its own subject."""
    heard = await place.replica.listen(place.address.error())
    await place.replica.bus.jetstream.publish(place.address.event(), b"\xff\xff")
    async with asyncio.timeout(5):
        while not heard:
            await asyncio.sleep(0.01)
    assert downstream_pb2.DeviceError.FromString(heard[0].data).error.code == "malformed_payload"
