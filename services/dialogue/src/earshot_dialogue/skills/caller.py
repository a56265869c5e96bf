"""Calls skills: one stream of events from whichever replica answers, every failure as a SkillError."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import grpc

from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis import telemetry
from earshot_chassis.rpc_errors import CUT_OFF, from_rpc_error
from earshot_dialogue.core.catalogue import Effect
from earshot_dialogue.core.outcome import EFFECT_UNKNOWN
from earshot_dialogue.core.routing import Route
from earshot_dialogue.errors import SkillError
from earshot_dialogue.skills.channels import SkillChannels
from earshot_dialogue.skills.wire import SkillAnswer, SkillEvent, SkillQuestion, to_event

# A redelivered turn counts its attempts on from here, so that no two attempts of a call have one number.
ATTEMPTS_PER_DELIVERY = 20

Call = grpc.aio.UnaryStreamCall[skill_pb2.HandleRequest, skill_pb2.HandleResponse]

_WORTH_TRYING_S = 0.05
# Before the third attempt, by when every replica may have been asked; then twice as long each time, up to a limit.
_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 0.8
_LAST_WAIT_S = 1.0

# A skill could not reach the bus, where it keeps its journal and its values: an election takes seconds, and whichever
# replica is asked then has done nothing or finds it written down.
_BUS_AWAY = frozenset({"state_unavailable", "bus_unavailable", "storage_full"})

# The call ended, and what the skill did until then is not known.
_NO_ANSWER = frozenset({"skill_timeout", "deadline_exceeded", "incomplete_skill_answer"})
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DURATION = telemetry.histogram("earshot.skill.duration", "Time from a call to the skill's last word.")
_RETRIES = telemetry.counter("earshot.skill.retries", "Calls that were repeated at another replica.")


class SkillCaller:
    """Makes calls."""

    def __init__(self, channels: SkillChannels) -> None:
        self._channels = channels
        self._ending: set[Call] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def call(
        self, route: Route, request: skill_pb2.HandleRequest, *, timeout_s: float, delivery: int
    ) -> AsyncGenerator[SkillEvent, None]:
        """Yield what a skill says, up to its final answer or its question.

        A replica that is UNAVAILABLE before it said anything is left for another one, and when there is no other, for itself
        a moment later: a process that was killed is soon replaced. A skill whose effect must not happen twice is asked again
        like any other: it keeps a journal under the call's idempotency key. Where an intent has an effect and no answer
        came in the end, nobody can tell whether it happened.

        Args:
            route: The version to call.
            request: The call; its attempt is filled in here.
            timeout_s: For all attempts together.
            delivery: Which delivery of the turn this is.

        Raises:
            SkillError: The call failed, or what came is no answer.
        """
        give_up = time.monotonic() + timeout_s
        started, code, tried = time.monotonic(), "", ""
        try:
            for attempt in range(1, ATTEMPTS_PER_DELIVERY + 1):
                tried, stub = self._pick(route, tried)
                request.attempt = (delivery - 1) * ATTEMPTS_PER_DELIVERY + attempt
                silent = True
                try:
                    async with aclosing(self._stream(stub, request, give_up - time.monotonic())) as events:
                        async for event in events:
                            silent = False
                            yield event
                except SkillError as error:
                    if error.unreachable:
                        self._channels.avoid(tried)
                    pause_s = min(_LONGEST_PAUSE_S, _PAUSE_S * 2 ** (attempt - 2)) if attempt > 1 else 0.0
                    in_time = give_up - time.monotonic() > _WORTH_TRYING_S + pause_s
                    # What a skill itself says is away is asked for once more; a replica or a bus that is gone, until there is
                    # one.
                    waited_for = error.unreachable or error.code in _BUS_AWAY
                    most = ATTEMPTS_PER_DELIVERY if waited_for else 2
                    last = attempt >= most or not in_time
                    if last or not (error.unavailable and silent):
                        raise
                    await asyncio.sleep(pause_s)
                    _RETRIES.add(1, {"skill": route.skill.skill_id})
                else:
                    return
        except SkillError as error:
            if route.intent.effect is not Effect.NONE and (error.unreachable or error.code in _NO_ANSWER):
                code = EFFECT_UNKNOWN
                raise SkillError(str(error), code=code) from error
            code = error.code
            raise
        finally:
            labels = {"skill": route.skill.skill_id, "version": route.skill.version, "code": code or "ok"}
            _DURATION.record(time.monotonic() - started, labels)

    async def close(self) -> None:
        """Wait a moment for calls that have said their last word to end, and let go of those that do not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WAIT_S):
                await self._quiet.wait()
        for call in list(self._ending):
            call.cancel()

    def _pick(self, route: Route, tried: str) -> tuple[str, skill_pb2_grpc.SkillAsyncStub]:
        picked = self._channels.pick(route.skill, tried=tried)
        if picked is None:
            raise SkillError(f"{route.skill.skill_id} has no replica", code="skill_unavailable")
        return picked

    async def _stream(
        self, stub: skill_pb2_grpc.SkillAsyncStub, request: skill_pb2.HandleRequest, timeout_s: float
    ) -> AsyncGenerator[SkillEvent, None]:
        call = stub.Handle(request, timeout=max(timeout_s, 0.001))
        done = False
        try:
            async for response in call:
                event = _event(response, request.turn.locale)
                done = isinstance(event, SkillQuestion) or (isinstance(event, SkillAnswer) and event.final)
                if done:
                    # The user need not wait for the stream's own end, and the skill must not be cancelled before it.
                    self._let_end(call)
                yield event
                if done:
                    return
        except grpc.aio.AioRpcError as error:
            raise _skill_error(error) from error
        finally:
            if not done:
                call.cancel()
        raise SkillError("the stream ended without a final answer", code="incomplete_skill_answer")

    def _let_end(self, call: Call) -> None:
        """Keep a call until it ends by itself: one that nobody holds is cancelled."""
        self._ending.add(call)
        self._quiet.clear()
        # The callback is given the call behind the interceptors, which is another object.
        call.add_done_callback(lambda _call: self._ended(call))

    def _ended(self, call: Call) -> None:
        self._ending.discard(call)
        if not self._ending:
            self._quiet.set()


def _event(response: skill_pb2.HandleResponse | None, locale: str) -> SkillEvent:
    # grpc yields None for bytes that are not the message they should be.
    if response is None:
        raise SkillError("the skill sent bytes that are no response", code="malformed_skill_response")
    return to_event(response, locale)


def _skill_error(error: grpc.aio.AioRpcError) -> SkillError:
    status = error.code()
    told = from_rpc_error(error).code
    silent = told.startswith("rpc_")
    if silent or _CODE.fullmatch(told) is None:
        told = {
            **dict.fromkeys(CUT_OFF, "skill_unavailable"),
            grpc.StatusCode.DEADLINE_EXCEEDED: "skill_timeout",
        }.get(status, "skill_failed")
    # One that has too much to do may have a replica that has not.
    unavailable = status in CUT_OFF | {grpc.StatusCode.RESOURCE_EXHAUSTED}
    # A replica that hangs is as gone as one that refuses: the next turns ask the others first.
    gone = silent and status in CUT_OFF | {grpc.StatusCode.DEADLINE_EXCEEDED}
    # The status's own words may hold what the user said: they stay in the skill's log.
    return SkillError(f"the call ended with {status.name}", code=told, unavailable=unavailable, unreachable=gone)
