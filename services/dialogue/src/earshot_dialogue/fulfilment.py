"""Turns a skill's stream of events into segments of the turn's outcome."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.bus import Bus
from earshot_dialogue import wire
from earshot_dialogue.claims.chain import OutcomeChain
from earshot_dialogue.core.language import Language
from earshot_dialogue.core.outcome import Kind, Segment, apology, broken_off, for_device, question
from earshot_dialogue.core.policy import CallSkill
from earshot_dialogue.core.session import PendingQuestion, Session, TurnEffect
from earshot_dialogue.core.values import Hypothesis, Turn
from earshot_dialogue.errors import SkillError
from earshot_dialogue.skills.caller import SkillCaller
from earshot_dialogue.skills.wire import SkillAnswer, SkillFiller, SkillQuestion, to_request
from earshot_topology.subjects import TURN_FILLER

# Left between a call's deadline and the turn's, to claim an apology before the deadline handler does.
_MARGIN_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything about a turn that carrying out its decision needs.

    Attributes:
        turn: The turn.
        context: The same on the wire, session filled in.
        session: Before the turn.
        language: Of the turn, or the one that apologises for it.
        transcript: What was understood.
        delivery: Which delivery of the turn this is, from 1.
    """

    turn: Turn
    context: turn_pb2.TurnContext
    session: Session
    language: Language
    transcript: str
    delivery: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The last segment of a turn, not yet claimed, and what the turn leaves; effect None: the session stays as it is."""

    segment: Segment
    effect: TurnEffect | None


class TurnDecidedError(Exception):
    """Somebody else decided the turn while its answer was being said."""


class Fulfilment:
    """Calls skills and says what they say.

    Args:
        bus: Where fillers go.
        caller: Makes the calls.
        maximum_asks: How often a skill may ask for one slot.
        listen: How long the microphone stays open for a reply.
    """

    def __init__(self, bus: Bus, caller: SkillCaller, *, maximum_asks: int, listen: timedelta) -> None:
        self._bus = bus
        self._caller = caller
        self._maximum_asks = maximum_asks
        self._listen = listen

    async def answer(
        self, call: CallSkill, scene: Scene, chain: OutcomeChain, state: upstream_pb2.StateChanged | None
    ) -> Ending:
        """Call the skill; claim every segment but the last, and return that.

        Raises:
            TurnDecidedError: The turn has another outcome by now.
            RetryableError: The bus did not take a segment.
        """
        hypothesis = replace(call.hypothesis, skill_version=call.route.skill.version)
        try:
            return await self._converse(call, hypothesis, scene, chain, state)
        except SkillError as error:
            fault = error.fault
            ending = broken_off(fault, scene.language) if chain.began else apology(fault, scene.language, hypothesis)
            said = tuple(prompt.text for prompt in ending.prompts)
            return Ending(segment=ending, effect=TurnEffect(hypothesis=hypothesis, prompts=said))

    async def _converse(
        self,
        call: CallSkill,
        hypothesis: Hypothesis,
        scene: Scene,
        chain: OutcomeChain,
        state: upstream_pb2.StateChanged | None,
    ) -> Ending:
        now = datetime.now(UTC)
        remaining_s = (scene.turn.deadline - now).total_seconds() - _MARGIN_S
        if remaining_s <= 0:
            raise SkillError("the turn's deadline has passed", code="deadline_exceeded")
        timeout_s = min(call.route.skill.timeout_s, remaining_s)
        request = to_request(
            context=scene.context,
            hypothesis=hypothesis,
            session=scene.session,
            transcript=scene.transcript,
            deadline=now + timedelta(seconds=timeout_s),
            device_state=state,
        )
        said: list[str] = []
        acted = False
        events = self._caller.call(call.route, request, timeout_s=timeout_s, delivery=scene.delivery)
        async with aclosing(events) as stream:
            async for event in stream:
                if isinstance(event, SkillFiller):
                    await self._fill(event, scene)
                elif isinstance(event, SkillQuestion):
                    return self._ask(call, event, hypothesis, scene)
                else:
                    said.extend(prompt.text for prompt in event.prompts)
                    acted = acted or bool(event.directives)
                    segment = self._segment(event, call, hypothesis)
                    if event.final:
                        if not (said or acted):
                            raise SkillError("the answer is empty", code="empty_skill_answer")
                        contexts = {} if event.context is None else {hypothesis.skill: event.context}
                        effect = TurnEffect(hypothesis=hypothesis, prompts=tuple(said), contexts=contexts)
                        return Ending(segment=segment, effect=effect)
                    if segment.prompts or segment.directives:
                        await self._say(segment, scene, chain)
        raise SkillError("the stream ended without a final answer", code="incomplete_skill_answer")

    async def _say(self, segment: Segment, scene: Scene, chain: OutcomeChain) -> None:
        claimed = await chain.append(
            for_device(segment, spoken=scene.turn.spoken, session_id=scene.session.session_id, listen=self._listen)
        )
        if not claimed.ours:
            raise TurnDecidedError

    async def _fill(self, filler: SkillFiller, scene: Scene) -> None:
        if scene.turn.spoken:
            await self._bus.send(
                TURN_FILLER,
                outcome_pb2.FillerRequested(turn=scene.context, prompt=wire.from_prompt(filler.prompt)),
            )

    def _ask(self, call: CallSkill, asked: SkillQuestion, hypothesis: Hypothesis, scene: Scene) -> Ending:
        if call.ask_count >= self._maximum_asks:
            raise SkillError(f"the skill still lacks {asked.slot_name}", code="question_unanswered")
        words = call.route.skill.question(scene.turn.locale, hypothesis.intent_name, asked.slot_name)
        prompt = asked.prompt or question(words, scene.language, hypothesis, slot_name=asked.slot_name)
        segment = Segment(
            kind=Kind.ANSWERED,
            prompts=(prompt,),
            expects_reply=True,
            hypothesis=hypothesis,
            skill_id=call.route.skill.skill_id,
            skill_version=call.route.skill.version,
        )
        pending = PendingQuestion(hypothesis=hypothesis, slot_name=asked.slot_name, ask_count=call.ask_count + 1)
        return Ending(segment=segment, effect=TurnEffect(pending_question=pending, prompts=(prompt.text,)))

    @staticmethod
    def _segment(answer: SkillAnswer, call: CallSkill, hypothesis: Hypothesis) -> Segment:
        return Segment(
            kind=Kind.ANSWERED,
            prompts=answer.prompts,
            directives=answer.directives,
            final=answer.final,
            expects_reply=answer.expects_reply,
            hypothesis=hypothesis,
            skill_id=call.route.skill.skill_id,
            skill_version=call.route.skill.version,
        )
