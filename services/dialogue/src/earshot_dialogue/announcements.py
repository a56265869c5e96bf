"""Has words spoken that came with a directive: they become the outcome of a turn that the device begins for them."""

from __future__ import annotations

from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot_dialogue import metrics
from earshot_dialogue.allowance import Allowance
from earshot_dialogue.claims.chain import OutcomeChain
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.outcome import Kind, Segment
from earshot_dialogue.core.values import Hypothesis, Prompt, SpeakDirective
from earshot_dialogue.errors import InvalidRequestError, QuotaExceededError
from earshot_dialogue.languages import Languages
from earshot_topology.subjects import DeviceAddress, InvalidTokenError, token

# The subject and the queue that share the requests between replicas.
SUBJECT = "device.*.*.up.announce"
QUEUE = "dialogue"

INTENT = "device.announcement"
"""What such a turn is for, where turns are listed."""

_LONGEST = 500


class Announcements:
    """Answers device.<household>.<device>.up.announce."""

    def __init__(self, ledger: OutcomeLedger, languages: Languages, allowance: Allowance) -> None:
        self._ledger = ledger
        self._languages = languages
        self._allowance = allowance

    async def announce(
        self, request: upstream_pb2.AnnouncementRequest, subject: str
    ) -> upstream_pb2.AnnouncementResponse:
        """Claim the words as the turn's outcome; a turn that has one keeps it.

        Raises:
            InvalidRequestError: invalid_id, invalid_announcement or unknown_locale.
            QuotaExceededError: The household had as many as it may, for now.
            RetryableError: The bus did not answer.
        """
        try:
            address = DeviceAddress.of(subject)
            turn_id = token(request.turn_id)
        except InvalidTokenError as error:
            raise InvalidRequestError(str(error), code="invalid_id") from error
        text = request.text.strip()
        if not 0 < len(text) <= _LONGEST:
            raise InvalidRequestError(f"give 1 to {_LONGEST} characters to say", code="invalid_announcement")
        if self._languages.find(request.locale) is None:
            raise InvalidRequestError(f"nobody here speaks {request.locale[:35]!r}", code="unknown_locale")
        if not self._allowance.take(address.household):
            metrics.ANNOUNCEMENTS_REFUSED.add(1)
            raise QuotaExceededError("too many announcements in too short a time")
        context = turn_pb2.TurnContext(
            turn_id=turn_id,
            household_id=address.household,
            device_id=address.device,
            locale=request.locale,
            modality=turn_pb2.MODALITY_VOICE,
            boot_id=request.boot_id,
        )
        context.start_time.GetCurrentTime()
        if request.HasField("playback_format"):
            context.playback_format.CopyFrom(request.playback_format)
        # No part of a session: it moves none on, and what was said before can still be said again.
        chain = OutcomeChain(self._ledger, address.turn_outcome(turn_id), context, session_revision=0)
        claimed = await chain.append(_spoken(text, request.locale))
        if claimed.ours:
            metrics.ANNOUNCEMENTS.add(1)
        return upstream_pb2.AnnouncementResponse()


def _spoken(text: str, locale: str) -> Segment:
    return Segment(
        kind=Kind.ANSWERED,
        prompts=(Prompt(text=text, locale=locale, key=INTENT),),
        directives=(SpeakDirective(text=text, locale=locale),),
        hypothesis=Hypothesis(intent=INTENT, confidence=1.0),
    )
