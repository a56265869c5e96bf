"""Typed turns: a text goes onto the bus as an utterance's transcript would, and its outcome comes back.

listen for the turn's outcome ► arm its deadline and publish turn.transcribed ► wait ► read back, if nothing came
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import audio_pb2, turn_pb2
from earshot.dialogue.v1 import assistant_pb2, outcome_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus
from earshot_chassis.errors import EarshotError
from earshot_chassis.ids import uuid7
from earshot_dialogue import deadlines
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.errors import InvalidRequestError, NoOutcomeError
from earshot_dialogue.languages import Languages
from earshot_dialogue.listening import OutcomeListener
from earshot_topology.subjects import TURN_TRANSCRIBED, DeviceAddress, InvalidTokenError, token

TEXT_CHARACTERS = 1000
_log = telemetry.logger("converse")
_LANE = "stable"
_ENGINE = "text"
# What is spoken on behalf of a typed turn, whose device has not said what it wants to hear.
_PLAYBACK_HERTZ = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedTurn:
    """A Converse request that was found good."""

    address: DeviceAddress
    turn_id: str
    given: bool
    text: str
    locale: str
    time_zone: str
    spoken: bool


def checked(request: assistant_pb2.ConverseRequest, languages: Languages) -> TypedTurn:
    """Return the request's turn.

    Raises:
        InvalidRequestError: empty_text, text_too_long, unreadable_text, unsupported_locale, unknown_time_zone or
            invalid_id.
    """
    text = request.text.strip()
    if not text:
        raise InvalidRequestError("the text is empty", code="empty_text")
    if len(text) > TEXT_CHARACTERS:
        raise InvalidRequestError(f"the text is longer than {TEXT_CHARACTERS} characters", code="text_too_long")
    if any(unicodedata.category(character) == "Cc" and not character.isspace() for character in text):
        raise InvalidRequestError("the text holds control characters", code="unreadable_text")
    if languages.find(request.locale) is None:
        known = ", ".join(languages.locales)
        raise InvalidRequestError(f"the locale is not one of {known}", code="unsupported_locale")
    _check_time_zone(request.time_zone)
    try:
        address = DeviceAddress(token(request.household_id), token(request.device_id))
        turn_id = token(request.turn_id) if request.turn_id else uuid7()
    except InvalidTokenError as error:
        raise InvalidRequestError(str(error), code="invalid_id") from error
    return TypedTurn(
        address=address,
        turn_id=turn_id,
        given=bool(request.turn_id),
        text=text,
        locale=request.locale,
        time_zone=request.time_zone,
        spoken=request.speak,
    )


def _check_time_zone(name: str) -> None:
    if not name:
        return
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise InvalidRequestError("the time zone is not one of IANA's", code="unknown_time_zone") from error


class Conversation:
    """Takes typed turns through the pipeline.

    Args:
        bus: The bus.
        ledger: Where outcomes are read back.
        listener: Where outcomes are heard.
        answer_within: A turn's deadline, from its text on.
        grace: How much longer its outcome is waited for.
    """

    def __init__(
        self,
        bus: Bus,
        ledger: OutcomeLedger,
        listener: OutcomeListener,
        *,
        answer_within: timedelta,
        grace: timedelta,
    ) -> None:
        self._bus = bus
        self._listener = listener
        self._ledger = ledger
        self._answer_within = answer_within
        self._grace = grace

    async def take(self, turn: TypedTurn) -> Sequence[outcome_pb2.Outcome]:
        """Return the turn's segments, in order.

        Raises:
            NoOutcomeError: There is none, although its deadline has passed.
            RetryableError: The bus did not answer.
        """
        claimed, key = turn.address.turn_outcome(turn.turn_id), turn.address.turn_key(turn.turn_id)
        async with self._listener.listening(turn.address, turn.turn_id) as outcome:
            if turn.given and (decided := await self._decided(claimed)):
                return decided
            now = datetime.now(UTC)
            context = _context(turn, now, now + self._answer_within)
            event = _transcribed(turn, context)
            # Armed while the turn is on its way; only a turn that nobody ever answers needs it.
            arming = asyncio.ensure_future(deadlines.arm(self._bus, context, now + self._answer_within, "answer"))
            try:
                await self._bus.publish(TURN_TRANSCRIBED, event, msg_id=f"{key}.transcribed")
                async with asyncio.timeout((self._answer_within + self._grace).total_seconds()):
                    segments = await outcome.complete()
            except TimeoutError:
                segments = await self._decided(claimed)
            finally:
                await _settle(arming)
            if segments:
                return segments
        raise NoOutcomeError("the turn has no outcome yet")

    async def _decided(self, subject: str) -> Sequence[outcome_pb2.Outcome]:
        """Return the segments of a turn that is decided; none of one that is not, or not to its end."""
        segments = [each.outcome for each in await self._ledger.all(subject)]
        return segments if segments and segments[-1].final else []


async def _settle(arming: asyncio.Future[None]) -> None:
    try:
        await arming
    except EarshotError as error:
        # The turn itself is on its way, or was refused with an error of its own.
        _log.warning("deadline_not_armed", code=error.code)


def _context(turn: TypedTurn, now: datetime, deadline: datetime) -> turn_pb2.TurnContext:
    context = turn_pb2.TurnContext(
        turn_id=turn.turn_id,
        household_id=turn.address.household,
        device_id=turn.address.device,
        locale=turn.locale,
        time_zone=turn.time_zone,
        lane=_LANE,
        modality=turn_pb2.MODALITY_VOICE if turn.spoken else turn_pb2.MODALITY_TEXT,
    )
    context.start_time.FromDatetime(now)
    context.end_of_speech_time.FromDatetime(now)
    context.deadline_time.FromDatetime(deadline)
    if turn.spoken:
        context.playback_format.encoding = audio_pb2.AUDIO_ENCODING_LINEAR16
        context.playback_format.sample_rate_hertz = _PLAYBACK_HERTZ
        context.playback_format.channel_count = 1
    return context


def _transcribed(turn: TypedTurn, context: turn_pb2.TurnContext) -> events_pb2.TurnTranscribed:
    return events_pb2.TurnTranscribed(
        turn=context, alternatives=[events_pb2.Alternative(transcript=turn.text, confidence=1.0)], engine=_ENGINE
    )
