"""What a device was told while it was away comes again, in order, as long as it may still be carried out."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from nats.aio.msg import Msg

from earshot.common.v1 import turn_pb2
from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot_dialogue.missed import still_wanted
from support.dialogues import Place, hypothesis

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ring(name: str, *, expires_in_s: float | None = None) -> directive_pb2.Directive:
    """Return a Ring as the scheduler sends it."""
    directive = directive_pb2.Directive(directive_id=f"ring.{name}", ring=directive_pb2.Ring(occurrence_id=name))
    if expires_in_s is not None:
        directive.expire_time.FromNanoseconds(time.time_ns() + int(expires_in_s * 1e9))
    return directive


def stop_ring(name: str) -> directive_pb2.Directive:
    """Return a StopRing as the scheduler sends it."""
    return directive_pb2.Directive(
        directive_id=f"stop_ring.{name}", stop_ring=directive_pb2.StopRing(occurrence_id=name)
    )


async def direct(place: Place, *directives: directive_pb2.Directive) -> None:
    """Send directives outside an outcome."""
    for directive in directives:
        await place.replica.bus.publish(place.address.directive(), directive)


async def asked(place: Place) -> tuple[int, list[str]]:
    """Ask for what was missed; return the number that is told and the ids that came."""
    heard = await place.replica.listen(place.address.directive())
    reply = await place.replica.bus.client.request(place.address.directives(), b"", timeout=5)
    await place.replica.bus.client.flush()
    assert "error-code" not in (reply.headers or {})
    ids = [directive_pb2.Directive.FromString(message.data).directive_id for message in heard]
    return upstream_pb2.DirectivesResponse.FromString(reply.data).directive_count, ids


async def test_missed_directives_come_in_order_and_are_not_stored_again(place):
    """A device gets its own, oldest first, however often it asks; the copies don't become new directives."""
    other = Place(place.replica)
    await direct(other, ring("theirs"))
    assert await asked(place) == (0, [])
    await direct(place, ring("a", expires_in_s=60), ring("b"))
    for _ in range(3):
        assert await asked(place) == (2, ["ring.a", "ring.b"])
    info = await place.replica.bus.jetstream.stream_info("DIRECTIVES", subjects_filter=place.address.directive())
    assert info.state.subjects == {place.address.directive(): 2}


async def test_as_many_come_as_the_stream_keeps(place):
    """A device that was away for long gets the newest hundred."""
    await direct(place, *(ring(str(number)) for number in range(103)))
    count, ids = await asked(place)
    assert count == 100
    assert ids == [f"ring.{number}" for number in range(3, 103)]


async def test_what_is_over_stays_away(place):
    """An expired directive and a Ring that was stopped later are left out; the StopRing comes."""
    await direct(place, ring("old", expires_in_s=-1), ring("a"), ring("b", expires_in_s=60), stop_ring("a"))
    await place.replica.bus.client.publish(place.address.directive(), b"\xff not a directive")
    assert await asked(place) == (2, ["ring.b", "stop_ring.a"])


async def test_a_directive_that_was_published_twice_comes_once():
    """The scheduler repeats what may not have arrived; the first place in the order is kept."""
    kept = [each.SerializeToString() for each in (ring("a"), ring("b"), ring("a"), directive_pb2.Directive())]
    assert [each.directive_id for each in still_wanted(kept, datetime.now(UTC))] == ["ring.a", "ring.b"]


async def test_a_typed_stop_reaches_the_device_outside_the_outcome(place):
    """A device performs the outcomes of its own turns alone: what it rings is stopped by directives, of a minute's life."""
    heard: list[Msg] = await place.replica.listen(place.address.directive())
    state = upstream_pb2.StateChanged(ringing_occurrence_ids=["r1"])
    await place.replica.dialogue._shadows.write(place.address, state, datetime.now(UTC))
    turn = place.turn()
    turn.modality = turn_pb2.MODALITY_TEXT
    await place.publish(turn, hypothesis("assistant.stop"), transcript="stop")
    outcome = (await place.outcome(turn.turn_id))[-1]
    assert [each.stop_ring.occurrence_id for each in outcome.directives] == ["r1", ""]
    await place.replica.bus.client.flush()
    sent = [directive_pb2.Directive.FromString(message.data) for message in heard]
    assert [(each.directive_id, each.stop_ring.occurrence_id) for each in sent] == [
        (each.directive_id, each.stop_ring.occurrence_id) for each in outcome.directives
    ]
    assert not sent[0].HasField("expire_time")
    assert 0 < sent[1].expire_time.seconds - time.time() <= 60
