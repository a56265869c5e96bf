"""Exactly one outcome a turn, whoever wants to decide it and whatever dies on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from earshot.dialogue.v1 import outcome_pb2
from earshot.skill.v1 import skill_pb2
from earshot_chassis.rpc_client import connect
from earshot_dialogue import wire
from earshot_dialogue.claims.chain import OutcomeChain, UnfinishedAnswerError
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.outcome import Kind, Segment, silent
from earshot_dialogue.core.policy import Limits, decide
from earshot_dialogue.core.values import Fault, Hypothesis, Prompt
from earshot_dialogue.deadlines import arm
from earshot_dialogue.fulfilment import Ending, Fulfilment, Scene
from earshot_dialogue.performing import Performer
from earshot_dialogue.shadows import DeviceShadows
from earshot_dialogue.skills.caller import SkillCaller
from earshot_dialogue.skills.channels import SkillChannels
from support.dialogues import Place, hypothesis
from support.fake_skill import FakeSkill, answer, fake_skill, weather
from support.policies import ENGLISH, catalogue, heard, meaning, session

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORECAST = "weather.get_forecast"
FAULT = Fault(code="deadline_exceeded", message="too late")


def segment(text: str, *, final: bool = True) -> Segment:
    """Return a segment of an answer."""
    return Segment(kind=Kind.ANSWERED, prompts=(Prompt(text=text, locale="en-US"),), final=final)


def chain(place: Place, turn_id: str) -> OutcomeChain:
    """Return another claimer of a turn."""
    turn = place.turn(turn_id)
    return OutcomeChain(OutcomeLedger(place.replica.bus), place.address.turn_outcome(turn_id), turn, session_revision=1)


async def test_of_many_claimers_one_is_let_through(place: Place) -> None:
    """Twenty claim at once: one outcome stands, and everybody comes back with it."""
    turn_id = place.turn().turn_id
    claimers = [chain(place, turn_id) for _ in range(20)]
    claimed = await asyncio.gather(*(each.append(segment(str(n))) for n, each in enumerate(claimers)))
    (standing,) = await place.segments(turn_id)
    assert sum(each.ours for each in claimed) == 1
    assert {each.outcome.outcome_id for each in claimed} == {standing.outcome_id}


async def test_a_claim_whose_acknowledgement_was_lost_is_known_again(place: Place) -> None:
    """A claimer that is refused by its own earlier attempt has won."""
    turn_id = place.turn().turn_id

    class Deaf(OutcomeLedger):
        """Loses the first acknowledgement."""

        async def claim(self, subject: str, outcome: outcome_pb2.Outcome) -> int:
            await super().claim(subject, outcome)
            return await super().claim(subject, outcome)

    deaf = OutcomeChain(
        Deaf(place.replica.bus), place.address.turn_outcome(turn_id), place.turn(turn_id), session_revision=1
    )
    assert (await deaf.append(segment("one", final=False))).ours
    assert (await deaf.append(segment("two"))).ours
    assert [each.prompts[0].text for each in await place.segments(turn_id)] == ["one", "two"]


async def test_an_answer_whose_owner_died_is_continued_under_its_id(place: Place) -> None:
    """The next owner says the same again: what stands is skipped, the rest is appended."""
    turn_id = place.turn().turn_id
    dead = chain(place, turn_id)
    await dead.append(segment("one", final=False))
    await dead.append(segment("two", final=False))
    heir = chain(place, turn_id)
    for text in ("one", "two", "three"):
        assert (await heir.append(segment(text, final=False))).ours
    assert (await heir.append(segment("four"))).ours
    standing = await place.segments(turn_id)
    assert [each.prompts[0].text for each in standing] == ["one", "two", "three", "four"]
    assert len({each.outcome_id for each in standing}) == 1
    late = await dead.append(segment("three, said by a frozen owner that woke up"))
    assert not late.ours


async def test_an_answer_that_is_shorter_the_second_time_is_ended(place: Place) -> None:
    """What stands can't be taken back; it is closed without another word."""
    turn_id = place.turn().turn_id
    dead = chain(place, turn_id)
    await dead.append(segment("one", final=False))
    await dead.append(segment("two", final=False))
    await chain(place, turn_id).append(segment("all of it"))
    standing = await place.segments(turn_id)
    assert [each.final for each in standing] == [False, False, True]
    assert list(standing[-1].prompts) == []


async def test_an_unfinished_answer_can_not_become_an_apology(place: Place) -> None:
    """Who wants to end it otherwise is told, and may then end it as the answer that it is."""
    turn_id = place.turn().turn_id
    await chain(place, turn_id).append(segment("one", final=False))
    other = chain(place, turn_id)
    with pytest.raises(UnfinishedAnswerError):
        await other.append(silent(Kind.CANCELLED, FAULT))
    assert (await other.append(Segment(kind=Kind.ANSWERED, fault=FAULT))).ours
    assert [each.final for each in await place.segments(turn_id)] == [False, True]


async def test_a_turn_that_is_delivered_twice_has_one_outcome_and_one_place_in_the_session(
    place: Place, skill: FakeSkill
) -> None:
    """The same event again, long after: nothing changes, not even when later turns have passed."""
    turn = place.turn()
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    await place.outcome(turn.turn_id)
    first = await place.settled(turn.turn_id)
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    await place.says("x", hypothesis(FORECAST, city="Oslo"))
    later = await place.session()
    await place.publish(turn, hypothesis(FORECAST, city="Paris"))
    async with asyncio.timeout(5):
        while len([call for call in skill.calls if call.turn.turn_id == turn.turn_id]) < 2:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert len(await place.segments(turn.turn_id)) == 1
    assert later == await place.session()
    assert later is not None
    assert later.revision == first.revision + 1


async def test_a_dialogue_killed_between_claim_and_session_is_made_good(place: Place) -> None:
    """A question was asked and its session never written: the redelivered turn writes it, from the outcome that stands."""
    async with fake_skill(weather()) as skill:
        await place.replica.follow(skill)
        turn = place.turn()
        # What a replica that died after its claim leaves behind.
        turn.session_id = "session-of-the-dead"
        dead = OutcomeChain(
            OutcomeLedger(place.replica.bus), place.address.turn_outcome(turn.turn_id), turn, session_revision=1
        )
        asked = Segment(
            kind=Kind.ANSWERED,
            prompts=(Prompt(text="In which city?", locale="en-US"),),
            expects_reply=True,
            hypothesis=_forecast(),
        )
        claimed = await dead.append(asked)
        await place.publish(turn, hypothesis(FORECAST), transcript="weather")
        session = await place.settled(turn.turn_id)
        assert session.pending_question.slot_name == "city"
        assert session.session_id == "session-of-the-dead"
        assert session.last_outcome_id == claimed.outcome.outcome_id
        assert (await place.says("Paris")).prompts[0].text == "It is sunny in Paris."
    await place.replica.follow()


def _forecast() -> Hypothesis:
    return Hypothesis(intent=FORECAST)


async def test_a_reply_that_comes_before_the_question_is_in_the_session_waits_for_it(place: Place) -> None:
    """The user heard a question whose replica died: the answer finds it, once the question's turn was delivered again."""
    async with fake_skill(weather()) as skill:
        await place.replica.follow(skill)
        question, reply = place.turn(), place.turn()
        dead = OutcomeChain(
            OutcomeLedger(place.replica.bus), place.address.turn_outcome(question.turn_id), question, session_revision=1
        )
        await dead.append(Segment(kind=Kind.ANSWERED, expects_reply=True, hypothesis=_forecast()))
        await place.publish(reply, transcript="Paris")
        await asyncio.sleep(0.3)
        assert await place.segments(reply.turn_id) == []
        await place.publish(question, hypothesis(FORECAST), transcript="weather")
        (outcome,) = await place.outcome(reply.turn_id)
    await place.replica.follow()
    assert outcome.prompts[0].text == "It is sunny in Paris."
    assert outcome.turn.turn_index == 1


async def test_what_nobody_foresaw_is_apologised_for_at_once(place: Place) -> None:
    """A bug in carrying a decision out leaves no user waiting for the deadline."""

    class Broken(Fulfilment):
        """Has a bug."""

        async def answer(self, *_arguments: object) -> Ending:
            raise ZeroDivisionError

    bus = place.replica.bus
    broken = Broken(bus, SkillCaller(SkillChannels(connect)), maximum_asks=3, listen=timedelta(seconds=8))
    turn = place.turn()
    decided = wire.to_turn(turn, default_deadline=datetime.now(UTC))
    scene = Scene(
        turn=decided, context=turn, session=session(), language=ENGLISH, transcript="weather in Paris", delivery=1
    )
    performer = Performer(bus, OutcomeLedger(bus), DeviceShadows(bus), broken, listen=timedelta(seconds=8))
    call = decide(scene.session, heard("x", meaning(FORECAST, city="Paris")), catalogue(), ENGLISH, Limits())
    ending = await performer.carry_out(call, scene, chain(place, turn.turn_id), catalogue())
    assert (ending.segment.kind, ending.effect) == (Kind.APOLOGISED, None)
    assert ending.segment.fault == Fault(code="internal", message="ZeroDivisionError")


async def test_the_deadline_and_the_answer_leave_one_outcome(place: Place) -> None:
    """Forty turns whose skill answers about when the deadline is due: each ends once, one way or the other."""
    delays = iter([0.02 * n for n in range(40)])

    async def about_then(
        _request: skill_pb2.HandleRequest, _context: object
    ) -> AsyncIterator[skill_pb2.HandleResponse]:
        await asyncio.sleep(0.2 + next(delays))
        yield answer("Sunny.")

    async with fake_skill(weather(), about_then) as skill:
        await place.replica.follow(skill)
        turns = [place.turn(deadline_s=5.0) for _ in range(40)]
        for turn in turns:
            await arm(place.replica.bus, turn, datetime.now(UTC) + timedelta(seconds=0.5), "answer")
            turn.deadline_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=8))
        await asyncio.gather(*(place.publish(turn, hypothesis(FORECAST, city="Paris")) for turn in turns))
        kinds = [await place.outcome(turn.turn_id) for turn in turns]
        await asyncio.sleep(0.5)
        for turn in turns:
            assert len(await place.segments(turn.turn_id)) == 1
    await place.replica.follow()
    heard = {outcome.kind for (outcome,) in kinds}
    assert heard == {outcome_pb2.OUTCOME_KIND_ANSWERED, outcome_pb2.OUTCOME_KIND_APOLOGISED}
