"""Words that came with a ring become the one outcome of a turn that the device made for them."""

from __future__ import annotations

import asyncio

import pytest
from nats.aio.msg import Msg

from earshot.common.v1 import audio_pb2
from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.ids import uuid7
from earshot_topology.subjects import DeviceAddress
from support.dialogues import Place, hypothesis

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def announce(place: Place, turn_id: str, text: str = "The eggs are done.", locale: str = "en-US") -> Msg:
    """Ask for words as a device does."""
    request = upstream_pb2.AnnouncementRequest(
        turn_id=turn_id,
        text=text,
        locale=locale,
        boot_id="boot",
        playback_format=audio_pb2.AudioFormat(sample_rate_hertz=24_000),
    )
    return await place.replica.bus.client.request(place.address.announce(), request.SerializeToString(), timeout=5)


def code(reply: Msg) -> str:
    """Return the error that a request was answered with."""
    return (reply.headers or {}).get("error-code", "")


async def test_an_announcement_is_an_answer_that_says_its_words(place):
    """The outcome has the words as its prompt, a place to speak them, and the device's format; it moves no session on."""
    turn_id = uuid7()
    assert code(await announce(place, turn_id)) == ""
    (outcome,) = await place.segments(turn_id)
    assert outcome.kind == outcome_pb2.OUTCOME_KIND_ANSWERED
    assert outcome.final
    assert [(prompt.text, prompt.locale) for prompt in outcome.prompts] == [("The eggs are done.", "en-US")]
    assert [each.WhichOneof("command") for each in outcome.directives] == ["speak"]
    assert outcome.turn.playback_format.sample_rate_hertz == 24_000
    assert outcome.turn.boot_id == "boot"
    assert outcome.intent == "device.announcement"
    assert outcome.turn.HasField("start_time")
    assert await place.session() is None


async def test_repeating_it_changes_nothing(place):
    """However often, and by however many at once: one segment stands; other words under the same id are not said."""
    turn_id = uuid7()
    replies = await asyncio.gather(*(announce(place, turn_id) for _ in range(5)))
    replies.append(await announce(place, turn_id, "Something else."))
    assert [code(reply) for reply in replies] == [""] * 6
    (outcome,) = await place.segments(turn_id)
    assert outcome.prompts[0].text == "The eggs are done."


async def test_a_turn_that_was_closed_is_not_announced(place):
    """A device that has given up by the time its request is read hears nothing of it."""
    turn_id = uuid7()
    event = upstream_pb2.DeviceEvent(event_id=uuid7(), turn_id=turn_id)
    event.turn_abandoned.reason = "cloud_timeout"
    await place.replica.bus.publish(place.address.event(), event)
    await place.outcome(turn_id)
    assert code(await announce(place, turn_id)) == ""
    assert [each.kind for each in await place.segments(turn_id)] == [outcome_pb2.OUTCOME_KIND_CANCELLED]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"turn_id": ""}, "invalid_id"),
        ({"turn_id": "a.b"}, "invalid_id"),
        ({"text": "  "}, "invalid_announcement"),
        ({"text": "x" * 501}, "invalid_announcement"),
        ({"locale": "xx-XX"}, "unknown_locale"),
        ({"locale": ""}, "unknown_locale"),
    ],
)
async def test_what_can_not_be_announced_is_refused(place, fields, expected):
    """Each mistake has its code, and nothing is claimed."""
    given = {"turn_id": uuid7(), **fields}
    assert code(await announce(place, **given)) == expected
    if expected != "invalid_id":
        assert await place.segments(given["turn_id"]) == []


async def test_it_is_not_what_is_repeated(place):
    """A request to say that again behind an announcement says what was said before it, and stop stops its speech."""
    helped = await place.says("help", hypothesis("assistant.help"))
    turn_id = uuid7()
    await announce(place, turn_id, "x" * 500)
    repeated = await place.says("say that again", hypothesis("assistant.repeat"))
    assert repeated.prompts[0].text == helped.prompts[0].text
    await announce(place, turn_id := uuid7())
    (outcome,) = await place.segments(turn_id)
    stopped = await place.says("stop", hypothesis("assistant.stop"))
    assert stopped.directives[0].stop_speech.outcome_id == outcome.outcome_id


async def test_a_flood_of_announcements_is_its_households_own_matter(replica):
    """Beyond thirty a minute they are refused and nothing is claimed; a neighbour's requests are answered meanwhile."""
    mad = [Place(replica, DeviceAddress("mad", f"d{number}")) for number in range(4)]
    quiet = Place(replica, DeviceAddress("quiet", "d"))
    turns = [(mad[number % len(mad)], uuid7()) for number in range(400)]
    flood = [asyncio.create_task(announce(place, turn_id, "x" * 500)) for place, turn_id in turns]
    heard = []
    while not all(each.done() for each in flood):
        heard.append(code(await announce(quiet, "the-same-turn")))
    codes = [code(reply) for reply in await asyncio.gather(*flood)]
    assert heard[:1] == [""]
    # Its own repetitions count, too: so many in a minute, however fast they are answered.
    assert set(heard) <= {"", "quota_exceeded"}
    assert set(codes) <= {"", "quota_exceeded", "overloaded"}
    # Thirty, and what comes back in the seconds that the flood takes.
    assert 16 <= codes.count("") <= 40
    assert "quota_exceeded" in {*codes, *[code(await announce(mad[0], uuid7())) for _ in range(40)]}
    for (place, turn_id), told in zip(turns, codes, strict=True):
        if told:
            assert await place.segments(turn_id) == []
            break
    assert code(await announce(Place(replica, DeviceAddress("other", "d")), uuid7())) == ""
