"""Turns decided over a real bus, by real gRPC calls to a scripted skill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_status import rpc_status

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot.device.v1 import directive_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.errors import InvalidInputError, OverloadedError, RetryableError
from earshot_chassis.rpc_errors import to_status
from earshot_topology.subjects import TURN_FILLER, TURN_INTERPRETED, TURN_SPEECH_CANCELLED
from support.dialogues import Place, Replica, hypothesis
from support.fake_skill import FakeSkill, answer, fake_skill, play, prompt, weather

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWERED = outcome_pb2.OUTCOME_KIND_ANSWERED
APOLOGISED = outcome_pb2.OUTCOME_KIND_APOLOGISED
CANCELLED = outcome_pb2.OUTCOME_KIND_CANCELLED
REJECTED = outcome_pb2.OUTCOME_KIND_REJECTED
FORECAST = "weather.get_forecast"

Responses = AsyncIterator[skill_pb2.HandleResponse]


def words(outcome: outcome_pb2.Outcome) -> list[str]:
    """Return what an outcome says."""
    return [each.text for each in outcome.prompts]


def commands(outcome: outcome_pb2.Outcome) -> list[str | None]:
    """Return what an outcome does."""
    return [each.WhichOneof("command") for each in outcome.directives]


async def test_a_turn_is_answered_by_the_skill_that_owns_its_intent(place: Place, skill: FakeSkill) -> None:
    """A hypothesis with all its slots is fulfilled, and the outcome tells who did and where to speak."""
    turn = place.turn()
    await place.publish(turn, hypothesis(FORECAST, city="Paris"), transcript="weather in Paris")
    (outcome,) = await place.outcome(turn.turn_id)
    session = await place.settled(turn.turn_id)
    assert outcome.kind == ANSWERED
    assert words(outcome) == ["It is sunny in Paris."]
    assert commands(outcome) == ["speak"]
    assert outcome.directives[0].speak.text == "It is sunny in Paris."
    assert outcome.directives[0].directive_id == f"{turn.turn_id}.0"
    assert (outcome.intent, outcome.skill_id, outcome.skill_version) == (FORECAST, "weather", "1.0.0")
    assert outcome.hypothesis.slots[0].value.string_value == "Paris"
    assert (outcome.turn.session_id, outcome.turn.turn_index) == (session.session_id, 0)
    assert (session.revision, outcome.session_revision, session.next_turn_index) == (1, 1, 1)
    (call,) = skill.calls
    assert (call.idempotency_key, call.attempt, call.call_index) == (f"{place.address.turn_key(turn.turn_id)}.0", 1, 0)
    assert call.transcript == "weather in Paris"


@pytest.mark.usefixtures("skill")
async def test_a_typed_turn_makes_no_sound(place: Place) -> None:
    """The answer to a typed turn has words but no Speak directive."""
    turn = place.turn(modality=turn_pb2.MODALITY_TEXT)
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    (outcome,) = await place.outcome(turn.turn_id)
    assert words(outcome) == ["It is sunny in Paris."]
    assert commands(outcome) == []


@pytest.mark.usefixtures("skill")
async def test_an_outcome_is_delivered_to_its_device_by_being_claimed(place: Place, replica: Replica) -> None:
    """The server republishes the claim on the device's own subject."""
    turn = place.turn()
    heard = await replica.listen(place.address.outcome(turn.turn_id))
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    async with asyncio.timeout(5):
        while not heard:
            await asyncio.sleep(0.01)
    assert [outcome_pb2.Outcome.FromString(each.data).turn.turn_id for each in heard] == [turn.turn_id]


async def test_directives_of_a_skill_keep_their_order(place: Place, skill: FakeSkill) -> None:
    """Prompts come first unless the skill says where; ids are the turn's own."""

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        yield answer("Here is jazz.", directives=[play("http://a/1"), directive_pb2.Directive(pause={})])

    skill.handle = handle
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert commands(outcome) == ["speak", "play", "pause"]
    assert [each.directive_id for each in outcome.directives] == [f"{outcome.turn.turn_id}.{n}" for n in range(3)]

    async def placed(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        yield answer("That was it.", directives=[directive_pb2.Directive(stop={}), directive_pb2.Directive(speak={})])

    skill.handle = placed
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert commands(outcome) == ["stop", "speak"]


async def test_an_answer_in_segments_is_one_chain(place: Place, skill: FakeSkill) -> None:
    """Each segment expects the one before it, under one outcome id; a filler is none of them."""

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        yield skill_pb2.HandleResponse(filler=prompt("One moment."))
        yield answer("First.", final=False)
        yield answer("Second.", final=False)
        yield answer("Third.", expects_reply=True)

    skill.handle = handle
    fillers = await place.replica.listen(TURN_FILLER)
    turn = place.turn()
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    segments = await place.outcome(turn.turn_id)
    assert [words(each) for each in segments] == [["First."], ["Second."], ["Third."]]
    assert [each.segment_index for each in segments] == [0, 1, 2]
    assert [each.final for each in segments] == [False, False, True]
    assert len({each.outcome_id for each in segments}) == 1
    assert segments[0].expected_sequence == 0 < segments[1].expected_sequence < segments[2].expected_sequence
    assert [each.directives[0].directive_id[-2:] for each in segments] == [".0", ".1", ".2"]
    assert commands(segments[2]) == ["speak", "listen"]
    assert segments[2].directives[1].listen.session_id == segments[2].turn.session_id
    session = await place.settled(turn.turn_id)
    assert list(session.last_prompts) == ["First.", "Second.", "Third."]
    assert [outcome_pb2.FillerRequested.FromString(each.data).prompt.text for each in fillers] == ["One moment."]


async def test_what_a_skill_keeps_comes_back_with_the_next_turn(place: Place, skill: FakeSkill) -> None:
    """The context of a final answer is part of the session's next call to that skill."""

    async def handle(request: skill_pb2.HandleRequest, _context: object) -> Responses:
        seen = dict(request.context.items()) if request.HasField("context") else {}
        yield answer(f"Seen {seen.get('count', 0):.0f}.", context={"count": seen.get("count", 0) + 1})

    skill.handle = handle
    first = await place.says("x", hypothesis(FORECAST, city="Paris"))
    second = await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert (words(first), words(second)) == (["Seen 0."], ["Seen 1."])
    assert (second.turn.turn_index, second.turn.session_id) == (1, first.turn.session_id)
    assert skill.calls[1].session_revision == 1


@pytest.mark.parametrize(
    ("locale", "question", "reply"),
    [("en-US", "In which city?", "in Paris, please"), ("zh-CN", "哪个城市？", "巴黎吧")],
)
async def test_a_missing_slot_is_asked_for_and_filled_by_the_next_utterance(
    place: Place, skill: FakeSkill, locale: str, question: str, reply: str
) -> None:
    """The question is the skill's own in the turn's locale; a bare answer that NLU makes nothing of fills the slot."""
    asked = await place.says("weather", hypothesis(FORECAST), locale=locale)
    assert (asked.kind, words(asked), asked.expects_reply) == (ANSWERED, [question], True)
    assert commands(asked) == ["speak", "listen"]
    assert skill.calls == []
    answered = await place.says(reply, locale=locale)
    city = {"en-US": "Paris", "zh-CN": "巴黎"}[locale]
    assert words(answered) == [f"It is sunny in {city}."]
    assert answered.turn.turn_index == 1
    session = await place.session()
    assert session is not None
    assert not session.HasField("pending_question")


async def test_a_skill_may_ask_back_until_it_is_enough(place: Place, skill: FakeSkill) -> None:
    """A skill's question is asked, its answer goes to the skill again, and after three the dialogue gives up."""

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        yield skill_pb2.HandleResponse(question={"slot_name": "city", "prompt": prompt("Which one?")})

    skill.handle = handle
    first = await place.says("weather in Springfield", hypothesis(FORECAST, city="Springfield"))
    assert (words(first), first.expects_reply) == (["Which one?"], True)
    second = await place.says("Illinois")
    assert skill.calls[1].slots[0].value.string_value == "Illinois"
    third = await place.says("Ohio")
    assert words(second) == words(third) == ["Which one?"]
    last = await place.says("Oregon")
    assert (last.kind, last.error.code) == (APOLOGISED, "question_unanswered")
    assert not last.expects_reply


@pytest.mark.usefixtures("skill")
async def test_stop_ends_the_turn_without_a_word_and_silences_the_device(place: Place) -> None:
    """Stop is a CANCELLED outcome that stops rings, media and the last answer, and TTS is told as well."""
    heard = await place.replica.listen(TURN_SPEECH_CANCELLED)
    before = await place.says("x", hypothesis(FORECAST, city="Paris"))
    outcome = await place.says("stop", hypothesis("assistant.stop"))
    assert (outcome.kind, words(outcome), outcome.error.code) == (CANCELLED, [], "stopped_by_user")
    assert commands(outcome) == ["stop_speech", "stop_ring", "stop"]
    assert outcome.directives[0].stop_speech.outcome_id == before.outcome_id
    (cancelled,) = [outcome_pb2.SpeechCancelled.FromString(each.data) for each in heard]
    assert (cancelled.device_id, cancelled.outcome_id) == (place.address.device, "")


async def test_stop_ends_an_answer_that_is_still_being_given(place: Place, skill: FakeSkill) -> None:
    """Its last segment is claimed in the skill's place, and the skill is told to stop."""
    cancelled = asyncio.Event()

    async def endless(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        try:
            while True:
                yield answer("And another thing.", final=False)
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    skill.handle = endless
    turn = place.turn()
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    async with asyncio.timeout(5):
        while not await place.segments(turn.turn_id):
            await asyncio.sleep(0.01)
    stopped = await place.says("stop", hypothesis("assistant.stop"))
    segments = await place.outcome(turn.turn_id)
    await asyncio.wait_for(cancelled.wait(), 2)
    assert stopped.directives[0].stop_speech.outcome_id == segments[0].outcome_id
    assert (segments[-1].error.code, words(segments[-1])) == ("stopped_by_user", [])
    assert len(await place.segments(turn.turn_id)) == len(segments)


@pytest.mark.usefixtures("skill")
async def test_the_last_words_can_be_repeated(place: Place) -> None:
    """Say that again says it again; a pending question stays pending."""
    await place.says("weather", hypothesis(FORECAST))
    again = await place.says("say that again", hypothesis("assistant.repeat"))
    assert (words(again), again.expects_reply) == (["In which city?"], True)
    answered = await place.says("Oslo")
    assert words(answered) == ["It is sunny in Oslo."]


@pytest.mark.usefixtures("skill")
async def test_a_question_can_be_cancelled(place: Place) -> None:
    """After never mind the next bare word is no answer any more."""
    await place.says("weather", hypothesis(FORECAST))
    assert words(await place.says("never mind", hypothesis("assistant.cancel"))) == ["Okay, never mind."]
    assert words(await place.says("Oslo")) == ["Sorry, I didn't understand that."]


@pytest.mark.usefixtures("skill")
async def test_a_follow_up_exchanges_one_slot(place: Place) -> None:
    """And in Tokyo asks the last question about another city."""
    await place.says("weather in Paris", hypothesis(FORECAST, city="Paris"))
    assert words(await place.says("and in Tokyo?")) == ["It is sunny in Tokyo."]


@pytest.mark.usefixtures("skill")
async def test_no_speech_is_rejected_in_silence(place: Place) -> None:
    """Nobody spoke: REJECTED, nothing to say, and the session does not know of it."""
    outcome = await place.says("", rejection=events_pb2.REJECTION_NO_SPEECH)
    assert (outcome.kind, words(outcome), outcome.error.code) == (REJECTED, [], "no_speech")
    assert await place.session() is None


@pytest.mark.usefixtures("skill")
async def test_unreadable_audio_is_apologised_for(place: Place) -> None:
    """A user who waits hears that it did not work; the code is the recogniser's."""
    outcome = await place.says("", rejection=events_pb2.REJECTION_BAD_AUDIO, error_code="odd_byte_count")
    assert (outcome.kind, outcome.error.code, outcome.error.stage) == (APOLOGISED, "odd_byte_count", "asr")
    assert words(outcome) == ["Sorry, something went wrong."]


@pytest.mark.usefixtures("skill")
async def test_a_locale_nobody_speaks_is_apologised_for_in_english(place: Place) -> None:
    """An unknown locale gets the fallback's words and its own code."""
    outcome = await place.says("quelle heure", hypothesis(FORECAST, city="Paris"), locale="fr-FR")
    assert (outcome.kind, outcome.error.code) == (APOLOGISED, "unsupported_locale")
    assert (words(outcome), outcome.prompts[0].locale) == (["Sorry, I don't speak that language."], "en-US")


@pytest.mark.usefixtures("skill")
async def test_a_skill_that_is_not_running_is_apologised_for(place: Place) -> None:
    """An intent whose skill has gone since NLU knew it."""
    await place.replica.follow()
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert (outcome.kind, outcome.error.code) == (APOLOGISED, "skill_unavailable")
    assert words(outcome) == ["Sorry, I can't do that at the moment."]


async def fails_with_info(_request: skill_pb2.HandleRequest, context: grpc.aio.ServicerContext) -> Responses:
    """Fail as a skill of ours does: with an ErrorInfo."""
    error = InvalidInputError("no city called Atlantis", code="unknown_city")
    await context.abort_with_status(rpc_status.to_status(to_status(error)))
    yield answer("never")


async def crashes(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
    """Fail as a skill with a bug does."""
    raise RuntimeError("secret words")
    yield answer("never")


async def ends_early(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
    """End without an answer."""
    yield skill_pb2.HandleResponse(filler=prompt("One moment."))


async def says_nothing(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
    """Send a response with nothing in it."""
    yield skill_pb2.HandleResponse()


async def answers_nothing(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
    """Send an answer with nothing in it."""
    yield answer()


async def commands_nothing(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
    """Send a directive without a command."""
    yield answer("Look.", directives=[directive_pb2.Directive(directive_id="x")])


async def talks_too_much(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
    """Send more than a segment may hold."""
    yield answer("word " * 20_000)


async def commands_too_much(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
    """Send a queue that no device could hold."""
    yield answer("Look.", directives=[play("http://a/" + "x" * 10_000)] * 50)


async def keeps_too_much(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
    """Keep more than a session should."""
    yield answer("Noted.", context={"notes": "x" * 100_000})


@pytest.mark.parametrize(
    ("handle", "code"),
    [
        (fails_with_info, "unknown_city"),
        (crashes, "skill_failed"),
        (ends_early, "incomplete_skill_answer"),
        (says_nothing, "malformed_skill_response"),
        (answers_nothing, "empty_skill_answer"),
        (commands_nothing, "malformed_skill_response"),
        (talks_too_much, "malformed_skill_response"),
        (commands_too_much, "malformed_skill_response"),
        (keeps_too_much, "malformed_skill_response"),
    ],
)
async def test_a_skill_that_fails_is_apologised_for_with_its_code(
    place: Place, skill: FakeSkill, handle: object, code: str
) -> None:
    """Whatever a skill does wrong, the turn ends in one apology; what it said about it stays with it."""
    skill.handle = handle
    outcome = await place.says("x", hypothesis(FORECAST, city="Atlantis"))
    assert (outcome.kind, outcome.error.code, outcome.error.stage) == (APOLOGISED, code, "skill")
    assert len(words(outcome)) == 1
    assert "Atlantis" not in outcome.error.message
    assert "secret" not in outcome.error.message


async def test_garbage_bytes_from_a_skill_are_apologised_for(place: Place, replica: Replica) -> None:
    """A server that answers with bytes that are no message."""

    async def garbage(_request: bytes, _context: object) -> AsyncIterator[bytes]:
        yield b"\xff\xff\xff\xff"

    server = grpc.aio.server()
    method = grpc.unary_stream_rpc_method_handler(garbage)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("earshot.skill.v1.Skill", {"Handle": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await replica.follow(FakeSkill(weather(), target=f"127.0.0.1:{port}"))
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    await replica.follow()
    await server.stop(0)
    assert (outcome.kind, outcome.error.code) == (APOLOGISED, "malformed_skill_response")


async def test_a_skill_that_takes_too_long_is_cut_off(place: Place, replica: Replica) -> None:
    """The call ends at the skill's own timeout, and the skill learns of it."""
    cancelled = asyncio.Event()

    async def sleeps(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        yield answer("late")

    description = weather()
    description.timeout.FromMilliseconds(200)
    async with fake_skill(description, sleeps) as slow:
        await replica.follow(slow)
        outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
        assert (outcome.kind, outcome.error.code) == (APOLOGISED, "skill_timeout")
        await asyncio.wait_for(cancelled.wait(), 2)
    await replica.follow()


async def test_a_replica_that_hangs_is_asked_last_for_a_while(place: Place, replica: Replica) -> None:
    """One turn pays for finding out; the next ones go to the others."""

    async def hangs(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        await asyncio.sleep(30)
        yield answer("late")

    description = weather()
    description.timeout.FromMilliseconds(200)
    async with fake_skill(description, hangs) as frozen, fake_skill(description) as alive:
        await replica.follow(frozen, alive)
        outcomes = [await place.says("x", hypothesis(FORECAST, city="Paris")) for _ in range(6)]
    await replica.follow()
    assert [outcome.kind for outcome in outcomes].count(APOLOGISED) == 1
    assert len(frozen.calls) == 1


async def test_an_answer_that_breaks_off_is_ended_as_an_answer(place: Place, skill: FakeSkill) -> None:
    """What the user began to hear keeps its kind; the last segment says that it can't go on, and why."""

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        yield answer("First.", final=False)
        raise RuntimeError

    skill.handle = handle
    turn = place.turn()
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    first, last = await place.outcome(turn.turn_id)
    assert (first.kind, last.kind, last.final, last.error.code) == (ANSWERED, ANSWERED, True, "skill_failed")
    assert words(last) == ["Sorry, I can't go on with that."]


async def test_a_replica_that_is_gone_is_left_for_another_one(place: Place, replica: Replica) -> None:
    """One without a connection is asked last of all."""
    async with fake_skill(weather()) as gone, fake_skill(weather()) as alive:
        await gone.stop()
        await replica.follow(gone, alive)
        for _ in range(4):
            outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
            assert words(outcome) == ["It is sunny in Paris."]
    await replica.follow()
    assert len(alive.calls) == 4


async def test_a_skill_whose_only_replica_was_killed_is_waited_for(place: Place, replica: Replica) -> None:
    """As long as the call may take: the process that replaces it is soon there."""
    async with fake_skill(weather()) as killed:
        await replica.follow(killed)
        await killed.stop()
        asking = asyncio.create_task(place.says("x", hypothesis(FORECAST, city="Paris")))
        await asyncio.sleep(0.5)
        assert not asking.done()
        killed.server = grpc.aio.server()
        skill_pb2_grpc.add_SkillServicer_to_server(killed, killed.server)
        killed.server.add_insecure_port(killed.target)
        await killed.server.start()
        assert words(await asking) == ["It is sunny in Paris."]
    await replica.follow()


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
async def test_a_replica_that_refuses_is_left_for_another_one(
    place: Place, replica: Replica, status: grpc.StatusCode
) -> None:
    """It is answered by one more attempt elsewhere, with the same idempotency key; one that stops may say CANCELLED."""

    async def refuses(_request: skill_pb2.HandleRequest, context: grpc.aio.ServicerContext) -> Responses:
        await context.abort(status, "")
        yield answer("never")

    async with fake_skill(weather(), refuses) as refusing, fake_skill(weather()) as alive:
        await replica.follow(refusing, alive)
        for _ in range(4):
            outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
            assert words(outcome) == ["It is sunny in Paris."]
    await replica.follow()
    assert len(alive.calls) == 4
    assert 2 in {call.attempt for call in alive.calls}
    assert all(call.idempotency_key == f"{place.address.turn_key(call.turn.turn_id)}.0" for call in alive.calls)


async def test_an_effect_of_which_nobody_can_tell(place: Place, replica: Replica) -> None:
    """A skill that is always gone: asked again with the same key, which its journal knows; then nobody can tell."""
    description = weather(effect_guarantee=skill_pb2.EFFECT_GUARANTEE_AT_MOST_ONCE)
    description.intents[0].has_effect = True
    keys: list[str] = []

    async def unavailable(request: skill_pb2.HandleRequest, context: grpc.aio.ServicerContext) -> Responses:
        keys.append(request.idempotency_key)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
        yield answer("never")

    async with fake_skill(description, unavailable) as one, fake_skill(description, unavailable) as other:
        await replica.follow(one, other)
        outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    await replica.follow()
    assert (outcome.error.code, len(keys) > 1, len(set(keys))) == ("effect_unknown", True, 1)


async def test_a_turn_whose_deadline_has_passed_is_not_begun(place: Place, skill: FakeSkill) -> None:
    """A turn that waited too long is apologised for without a call."""
    turn = place.turn(deadline_s=-1.0)
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    (outcome,) = await place.outcome(turn.turn_id)
    assert (outcome.kind, outcome.error.code, skill.calls) == (APOLOGISED, "deadline_exceeded", [])


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"turn_id": "a b"}, "invalid_id"), ({"device_id": ""}, "invalid_id"), ({"modality": 0}, "invalid_modality")],
)
@pytest.mark.usefixtures("skill")
async def test_an_event_that_can_be_no_turn_is_parked(
    place: Place, replica: Replica, fields: dict[str, object], code: str
) -> None:
    """It goes to the dead-letter stream with its code, and the next turn is taken."""
    turn = place.turn()
    for name, value in fields.items():
        setattr(turn, name, value)
    before = (await replica.bus.jetstream.stream_info("PARKED")).state.messages
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    async with asyncio.timeout(5):
        while (await replica.bus.jetstream.stream_info("PARKED")).state.messages == before:
            await asyncio.sleep(0.01)
    parked = await replica.bus.jetstream.get_last_msg("PARKED", "parked.dialogue.*")
    assert parked.headers is not None
    assert parked.headers["Earshot-Parked-Code"] == code
    assert parked.headers["Earshot-Parked-Subject"] == TURN_INTERPRETED
    assert words(await place.says("x", hypothesis(FORECAST, city="Paris"))) == ["It is sunny in Paris."]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RetryableError("the source does not answer", code="source_unavailable"),
            "Sorry, I can't look that up at the moment.",
        ),
        (
            OverloadedError("every place for a call is taken"),
            "Sorry, I have too much to do at the moment. Please try again.",
        ),
    ],
)
async def test_a_skill_that_can_not_at_the_moment_is_asked_once_more(
    place: Place, skill: FakeSkill, error: RetryableError, said: str
) -> None:
    """UNAVAILABLE and RESOURCE_EXHAUSTED: one more attempt, at once, with the same key; then the code's own words."""

    async def handle(_request: skill_pb2.HandleRequest, context: grpc.aio.ServicerContext) -> Responses:
        await context.abort_with_status(rpc_status.to_status(to_status(error)))
        yield answer("never")

    skill.handle = handle
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert (outcome.kind, outcome.error.code, outcome.error.retryable) == (APOLOGISED, error.code, True)
    assert words(outcome) == [said]
    assert [call.attempt for call in skill.calls] == [1, 2]


async def test_a_skill_that_is_without_the_bus_is_waited_for(place: Place, skill: FakeSkill) -> None:
    """A bus that elects a leader is away for seconds: the same call is made until its journal can be read, or time is up."""

    async def handle(_request: skill_pb2.HandleRequest, context: grpc.aio.ServicerContext) -> Responses:
        if len(skill.calls) < 6:
            away = RetryableError("the journal can't be read", code="state_unavailable")
            await context.abort_with_status(rpc_status.to_status(to_status(away)))
        yield answer("Done.")

    skill.handle = handle
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert words(outcome) == ["Done."]
    assert [call.attempt for call in skill.calls] == [1, 2, 3, 4, 5, 6]
    assert len({call.idempotency_key for call in skill.calls}) == 1


async def test_a_skill_may_tidy_up_after_its_last_word(place: Place, skill: FakeSkill) -> None:
    """The user does not wait for the stream's end, and the skill is not cancelled before it."""
    tidied = asyncio.Event()

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> Responses:
        yield answer("Done.")
        await asyncio.sleep(0.3)
        tidied.set()

    skill.handle = handle
    outcome = await place.says("x", hypothesis(FORECAST, city="Paris"))
    assert words(outcome) == ["Done."]
    assert not tidied.is_set()
    await asyncio.wait_for(tidied.wait(), 2)
