"""Carries out decisions: calls the skill, asks, does what is built in, and claims what comes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus
from earshot_chassis.errors import EarshotError
from earshot_dialogue import wire
from earshot_dialogue.claims.breaking import break_off
from earshot_dialogue.claims.chain import Claimed, OutcomeChain, UnfinishedAnswerError
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core import builtin
from earshot_dialogue.core.catalogue import Catalogue
from earshot_dialogue.core.outcome import Kind, Segment, apology, broken_off, for_device, question, silent
from earshot_dialogue.core.policy import Apologise, AskSlot, BuiltIn, BuiltInIntent, CallSkill, Decision, Reject
from earshot_dialogue.core.session import PendingQuestion, TurnEffect
from earshot_dialogue.core.values import Fault, OutcomeId, StopRingDirective, Turn
from earshot_dialogue.fulfilment import Ending, Fulfilment, Scene, TurnDecidedError
from earshot_dialogue.shadows import DeviceShadows
from earshot_topology.subjects import TURN_SPEECH_CANCELLED

_HEARD = {outcome_pb2.OUTCOME_KIND_ANSWERED, outcome_pb2.OUTCOME_KIND_APOLOGISED}
_log = telemetry.logger("dialogue")


class Performer:
    """Carries out decisions.

    Args:
        bus: For what is said beside the outcome.
        ledger: Where outcomes are claimed.
        shadows: Where device states are kept.
        fulfilment: Calls skills.
        listen: How long the microphone stays open for a reply.
    """

    def __init__(
        self, bus: Bus, ledger: OutcomeLedger, shadows: DeviceShadows, fulfilment: Fulfilment, *, listen: timedelta
    ) -> None:
        self._bus = bus
        self._ledger = ledger
        self._shadows = shadows
        self._fulfilment = fulfilment
        self._listen = listen

    async def carry_out(self, decision: Decision, scene: Scene, chain: OutcomeChain, catalogue: Catalogue) -> Ending:
        """Do what was decided; claim every segment but the last, and return that.

        What fails in an unforeseen way ends in an apology as well: the user should not wait for the deadline to hear it.

        Raises:
            TurnDecidedError: The turn has another outcome by now.
            RetryableError: The bus did not answer.
        """
        try:
            return await self._do(decision, scene, chain, catalogue)
        except (EarshotError, TurnDecidedError, UnfinishedAnswerError):
            raise
        except Exception as error:  # noqa: BLE001 - see above
            _log.error("turn_crashed", turn_id=scene.turn.turn_id, exc_info=error)
            fault = Fault(code="internal", message=type(error).__name__)
            segment = broken_off(fault, scene.language) if chain.began else apology(fault, scene.language)
            return Ending(segment=segment, effect=None)

    async def _do(self, decision: Decision, scene: Scene, chain: OutcomeChain, catalogue: Catalogue) -> Ending:
        if isinstance(decision, CallSkill):
            state = await self._shadows.read(wire.address_of(scene.turn))
            return await self._fulfilment.answer(decision, scene, chain, state)
        if isinstance(decision, AskSlot):
            return _ask(decision, scene)
        if isinstance(decision, BuiltIn):
            return await self._built_in(decision, scene, catalogue)
        if isinstance(decision, Reject):
            return Ending(segment=silent(Kind.REJECTED, decision.fault), effect=None)
        if isinstance(decision, Apologise):
            segment = apology(decision.fault, scene.language)
        else:
            segment = Segment(kind=Kind.ANSWERED, prompts=(scene.language.say("not_understood"),))
        return Ending(segment=segment, effect=TurnEffect(prompts=_texts(segment)))

    async def _built_in(self, decision: BuiltIn, scene: Scene, catalogue: Catalogue) -> Ending:
        state, speaking = None, scene.session.last_outcome_id
        if decision.intent is BuiltInIntent.STOP:
            address = wire.address_of(scene.turn)
            state = await self._shadows.read(address)
            fault = Fault(code="stopped_by_user", message="the user said stop")
            last = await break_off(self._ledger, address, fault)
            if last is not None and last.kind in _HEARD:
                speaking = OutcomeId(last.outcome_id)
            # No outcome named: whatever is spoken on the device, by whichever worker.
            cancelled = outcome_pb2.SpeechCancelled(household_id=scene.turn.household, device_id=scene.turn.device)
            await self._bus.send(TURN_SPEECH_CANCELLED, cancelled)
        performance = builtin.perform(
            decision, scene.session, scene.language, catalogue, wire.to_shadow(state), speaking
        )
        if not scene.turn.spoken:
            await self._stop_rings(performance.segment, scene.turn)
        return Ending(segment=performance.segment, effect=performance.effect)

    async def _stop_rings(self, segment: Segment, turn: Turn) -> None:
        """Have the device stop ringing: it performs the outcomes of its own turns alone, and this one was typed."""
        subject = wire.address_of(turn).directive()
        for index, directive in enumerate(segment.directives):
            if isinstance(directive, StopRingDirective):
                message = wire.stop_ring_outside(directive, f"{turn.turn_id}.{index}", datetime.now(UTC))
                await self._bus.publish(subject, message, msg_id=f"{subject}.{message.directive_id}")

    async def claim(self, ending: Ending, scene: Scene, chain: OutcomeChain) -> Claimed:
        """Claim the last segment of a turn. One that leaves nothing tells the revision that the session keeps.

        Raises:
            RetryableError: The bus did not answer.
        """
        if ending.effect is None:
            chain.session_revision = scene.session.revision
        segment = for_device(
            ending.segment, spoken=scene.turn.spoken, session_id=scene.session.session_id, listen=self._listen
        )
        try:
            return await chain.append(segment)
        except UnfinishedAnswerError:
            fault = ending.segment.fault
            if fault is None:
                raise
            closing = broken_off(fault, scene.language)
            return await chain.append(
                for_device(closing, spoken=scene.turn.spoken, session_id=scene.session.session_id, listen=self._listen)
            )


def _ask(decision: AskSlot, scene: Scene) -> Ending:
    skill = decision.route.skill
    hypothesis = replace(decision.hypothesis, skill_version=skill.version)
    words = skill.question(scene.turn.locale, hypothesis.intent_name, decision.slot_name)
    prompt = question(words, scene.language, hypothesis, slot_name=decision.slot_name)
    segment = Segment(
        kind=Kind.ANSWERED,
        prompts=(prompt,),
        expects_reply=True,
        hypothesis=hypothesis,
        skill_id=skill.skill_id,
        skill_version=skill.version,
    )
    pending = PendingQuestion(hypothesis=hypothesis, slot_name=decision.slot_name, ask_count=decision.ask_count)
    return Ending(segment=segment, effect=TurnEffect(pending_question=pending, prompts=(prompt.text,)))


def _texts(segment: Segment) -> tuple[str, ...]:
    return tuple(prompt.text for prompt in segment.prompts)
