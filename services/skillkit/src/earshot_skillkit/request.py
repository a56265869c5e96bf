"""One call of a skill, as a handler sees it, with the means to answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NewType, TypeVar
from zoneinfo import ZoneInfo

from earshot_skillkit.effects import OnceGuard, Perform
from earshot_skillkit.errors import InvalidSlotError
from earshot_skillkit.replies import Answer, Directive, Effect, Filler, Prompt, Question
from earshot_skillkit.responses import QUESTION, Responses

HouseholdId = NewType("HouseholdId", str)
DeviceId = NewType("DeviceId", str)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of calendar time in the user's time zone.

    Attributes:
        start: First moment, aware.
        end: One past the last moment, aware.
        grain: How fine it was said: "year", "month", "week", "day", "hour", "minute" or "second".
    """

    start: datetime
    end: datetime
    grain: str


SlotValue = str | float | timedelta | Span


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSlot:
    """A slot that was filled.

    Attributes:
        text: The words as they were said.
        value: What they mean.
    """

    text: str
    value: SlotValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """The device as it was last known."""

    volume_percent: int
    muted: bool
    media_item_id: str
    media_playing: bool
    media_offset: timedelta
    ringing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What a skill says in the locale of a call."""

    skill_id: str
    responses: Responses

    def prompt(self, key: str, values: Mapping[str, Any]) -> Prompt:
        """Return the words for a key.

        Raises:
            BrokenResponseError: There is no such key, or a value is missing.
        """
        text = self.responses.render(key, values)
        return Prompt(text=text, locale=self.responses.locale, key=f"{self.skill_id}.{key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call.

    Attributes:
        intent: Without the skill's id.
        slots: What was filled in, by name.
        locale: BCP-47; one of the skill's.
        zone: The device's time zone.
        now: When the call arrived, in that zone.
        deadline: By when the answer must be complete, aware.
        household_id: The tenant.
        device_id: The device.
        turn_id: The turn.
        session_id: The dialogue that the turn belongs to.
        idempotency_key: The same for every attempt of this call.
        attempt: From 1.
        context: What the skill kept from the session's earlier turns.
        device: The device as it was last known; None when nothing is known of it.
        transcript: The words that were understood.
        has_effect: Whether the manifest says that the intent changes the world.
        voice: What the skill says in this locale.
        guard: What `once` rests on.
    """

    intent: str
    slots: Mapping[str, FilledSlot] = field(hash=False)
    locale: str
    zone: ZoneInfo
    now: datetime
    deadline: datetime
    household_id: HouseholdId
    device_id: DeviceId
    turn_id: str
    session_id: str
    idempotency_key: str
    attempt: int
    context: Mapping[str, Any] = field(hash=False)
    device: DeviceState | None
    transcript: str
    has_effect: bool
    voice: Voice = field(hash=False)
    guard: OnceGuard = field(hash=False)

    async def once(self, name: str, perform: Perform[T]) -> T:
        """Have an effect outside as often as the manifest promises, also when this call comes again.

        Args:
            name: Which effect of the call, "add"; a NATS token.
            perform: Is given an idempotency key, has the effect, and returns JSON values. It raises EffectRefusedError when
                it is sure that nothing has happened.

        Raises:
            EffectRefusedError: Nothing has happened.
            EffectUnknownError: Nobody can tell whether it has happened; left alone, the assistant says so.
            StateUnavailableError: Nothing has happened: it could not be written down first.
        """
        return await self.guard.once(name, perform)

    def text(self, slot: str) -> str | None:
        """Return a slot of type text; None when it was not filled.

        Raises:
            InvalidSlotError: It holds another type.
        """
        return self._value(slot, str)

    def number(self, slot: str) -> float | None:
        """Return a slot of type number; None when it was not filled.

        Raises:
            InvalidSlotError: It holds another type.
        """
        return self._value(slot, float)

    def duration(self, slot: str) -> timedelta | None:
        """Return a slot of type duration; None when it was not filled.

        Raises:
            InvalidSlotError: It holds another type.
        """
        return self._value(slot, timedelta)

    def span(self, slot: str) -> Span | None:
        """Return a slot of type date_time; None when it was not filled.

        Raises:
            InvalidSlotError: It holds another type.
        """
        return self._value(slot, Span)

    def respond(
        self,
        key: str,
        /,
        *,
        directives: Sequence[Directive] = (),
        final: bool = True,
        expects_reply: bool = False,
        context: Mapping[str, Any] | None = None,
        effect: Effect | None = None,
        **values: Any,
    ) -> Answer:
        """Return an answer in words.

        Args:
            key: Of the response.
            directives: What the device is to do.
            final: Whether it is the last segment.
            expects_reply: Reopen the microphone afterwards.
            context: What to keep for the session's next turn.
            effect: What became of the effect; default: done, where the intent has one.
            values: What the response's template needs.

        Raises:
            BrokenResponseError: There is no such key, or a value is missing.
        """
        return Answer(
            prompts=(self.voice.prompt(key, values),),
            directives=tuple(directives),
            final=final,
            expects_reply=expects_reply,
            context=context,
            effect=self._effect(effect, final=final),
        )

    def prompt(self, key: str, /, **values: Any) -> Prompt:
        """Return the words of a response, to be added to an answer.

        Raises:
            BrokenResponseError: There is no such response, or a value is missing.
        """
        return self.voice.prompt(key, values)

    def act(
        self,
        *directives: Directive,
        final: bool = True,
        context: Mapping[str, Any] | None = None,
        effect: Effect | None = None,
    ) -> Answer:
        """Return an answer without words: the device does something, and that is heard or seen."""
        return Answer(directives=directives, final=final, context=context, effect=self._effect(effect, final=final))

    def ask(self, slot: str, /, **values: Any) -> Question:
        """Ask for a missing slot, in the words of the response "ask.<intent>.<slot>".

        Raises:
            BrokenResponseError: There is no such response, or a value is missing.
        """
        return Question(slot_name=slot, prompt=self.voice.prompt(f"{QUESTION}{self.intent}.{slot}", values))

    def filler(self, key: str, /, **values: Any) -> Filler:
        """Return words that bridge a wait, for a streaming handler to yield before its answer.

        Raises:
            BrokenResponseError: There is no such response, or a value is missing.
        """
        return Filler(prompt=self.voice.prompt(key, values))

    def _effect(self, effect: Effect | None, *, final: bool) -> Effect:
        if effect is not None:
            return effect
        return Effect.DONE if self.has_effect and final else Effect.NONE

    def _value(self, slot: str, kind: type[T]) -> T | None:
        filled = self.slots.get(slot)
        if filled is None:
            return None
        if not isinstance(filled.value, kind):
            raise InvalidSlotError(f"slot {slot!r} of {self.intent!r} holds a {type(filled.value).__name__}")
        return filled.value
