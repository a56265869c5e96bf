"""Having the words spoken that came with a ring.

    -> up.announce            AnnouncementRequest{turn_id: T}    repeated until answered, for 3 s; not where it is refused
    <- down.outcome.T         Outcome{ANSWERED}                  bound and asked for again as any turn's
    <- down.speech.T          SpeechFrame 0 … n                  played below a turn of the user's, which makes it wait

The words are lost rather than waited for: when they are refused, no frame has come in time, or they stop coming, it ends, the cloud is
told that the turn is closed, and the device rings.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from opentelemetry.context import Context

from earshot_chassis import telemetry
from earshot_chassis.ids import uuid7
from earshot_device.bus import wire
from earshot_device.core.directives import Speak
from earshot_device.core.events import AbandonReason, TurnAbandoned
from earshot_device.core.ids import OutcomeId, TurnId
from earshot_device.core.outcome import OutcomeKind, OutcomeSegment, SpeechFrame
from earshot_device.core.recognition import CloudError, RecognitionUpdate
from earshot_device.core.ringbook import Occurrence
from earshot_device.core.turn import Phase, Turn, Verdict
from earshot_device.errors import RequestRefusedError
from earshot_device.sound.output import Channel
from earshot_device.tasks import end
from earshot_device.turns.parts import Parts
from earshot_device.turns.performance import Performance
from earshot_device.turns.routing import Router
from earshot_topology import attributes as names

_LONGEST_ASK_S = 3.0
_LONGEST_STALL_S = 3.0
_ASK_TIMEOUT_S = 1.0
_ASK_PAUSE_S = 0.25
_RECALL_S = 0.7
_REFUSED_FOR_GOOD = frozenset({"invalid_announcement", "invalid_id", "unknown_locale"})
_EARLY_FRAMES = 1000


class Announcement:
    """The words of one occurrence, as a turn of their own; `run` it once. A cancelled one falls silent."""

    def __init__(self, words: Speak, parts: Parts) -> None:
        now, self._limit_s = asyncio.get_running_loop().time(), parts.settings.announcement_timeout_s
        self.turn = Turn(TurnId(uuid7()), now=now, listen_limit_s=0.0, answer_limit_s=self._limit_s)
        self.turn.stop_listening(now)
        self._deadline = now + self._limit_s
        self._words = words
        self._parts = parts
        self._performance: Performance | None = None
        self._early: list[SpeechFrame] = []
        self._unanswered = False
        self._changed = asyncio.Event()

    @property
    def outcome_id(self) -> OutcomeId | None:
        """The outcome that is being spoken; None while there is none."""
        return self.turn.outcome_id if self.turn.phase is Phase.ANSWERING else None

    # What comes from the network.

    def recognised(self, recognised: RecognitionUpdate) -> bool:  # noqa: ARG002 - nobody spoke
        """Drop what no recogniser can have said."""
        return False

    def decided(self, segment: OutcomeSegment) -> bool:
        """Take a segment of the outcome; False if it was dropped."""
        if self.turn.decide(segment) is not Verdict.ACCEPTED:
            return False
        if self._performance is None:
            self._bind(segment.outcome_id)
        self._changed.set()
        return True

    def spoken(self, frame: SpeechFrame) -> None:
        """Take a frame of the words."""
        if self._performance is not None:
            self._performance.receive(frame)
        elif len(self._early) < _EARLY_FRAMES:
            self._early.append(frame)
        self._changed.set()

    def refused(self, error: CloudError) -> None:
        """Go on: the outcome, or the deadline, decides."""

    # The turn.

    async def run(self) -> None:
        """Have the words spoken, and return when they have been or can't be."""
        settings = self._parts.settings
        known = {
            names.TURN_ID: self.turn.turn_id,
            names.HOUSEHOLD_ID: settings.household_id,
            names.DEVICE_ID: settings.device_id,
            names.LOCALE: self._words.locale,
        }
        with (
            telemetry.span("voice.announcement", attributes=known, parent=Context()) as root,
            self._parts.output.hold(Channel.ANNOUNCEMENT),
        ):
            asking = asyncio.create_task(self._ask(), name="device-announcement")
            try:
                heard = await self._perform()
            except asyncio.CancelledError:
                await self._break_off(AbandonReason.USER_CANCELLED)
                raise
            finally:
                await end(asking)
            if not heard:
                lost = AbandonReason.CLOUD_TIMEOUT if self._parts.link.connected else AbandonReason.NETWORK_LOST
                telemetry.fail(root, lost.value)
                await self._break_off(lost)
        self.turn.close()

    async def _perform(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline):
                while not self._begun() and not self._unanswered and not self._silent():
                    self._changed.clear()
                    await self._changed.wait()
        if self._performance is None or not self._begun():
            return False
        await self._performance.run(self.turn, self._changed)
        return self._performance.heard

    def _begun(self) -> bool:
        return self._performance is not None and self._performance.player.first_received_at is not None

    def _silent(self) -> bool:
        return any(segment.kind is not OutcomeKind.ANSWERED for segment in self.turn.segments)

    def _bind(self, outcome_id: OutcomeId) -> None:
        self._parts.decisions.bind(self.turn.turn_id, outcome_id)
        self._performance = Performance(
            self.turn.turn_id,
            outcome_id,
            self._parts,
            first_frame=self._changed.set,
            channel=Channel.ANNOUNCEMENT,
            stall_s=min(_LONGEST_STALL_S, self._limit_s),
        )
        for frame in self._early:
            self._performance.receive(frame)
        self._early.clear()

    async def _break_off(self, reason: AbandonReason) -> None:
        if self.turn.phase is Phase.CLOSED:
            return
        self.turn.close()
        # Decided and told before anything is waited for: whoever cancels this may do so again.
        self._parts.decisions.abandon(self.turn.turn_id)
        if self._performance is None or not self._performance.heard:
            told = TurnAbandoned(reason=reason, apology_played=False)
            self._parts.outbox.put(told, turn_id=self.turn.turn_id)
        if self._performance is not None:
            await self._performance.interrupt(None)

    # What is asked.

    async def _ask(self) -> None:
        settings, link = self._parts.settings, self._parts.link
        subject = settings.identity.address.announce()
        request = wire.announcement_request(
            self.turn.turn_id, self._words, settings.playback_format, self._parts.boot_id
        )
        loop = asyncio.get_running_loop()
        give_up = loop.time() + min(_LONGEST_ASK_S, self._limit_s)
        while True:
            refused = False
            try:
                if await link.request(subject, request, timeout_s=_ASK_TIMEOUT_S) is not None:
                    break
            except RequestRefusedError as error:
                refused = error.code in _REFUSED_FOR_GOOD
            if (refused or loop.time() > give_up) and not self.turn.segments:
                self._unanswered = True
                self._changed.set()
                return
            await asyncio.sleep(_ASK_PAUSE_S)
        # Claimed: what is still missing was lost on its way.
        while not self.turn.segments:
            await asyncio.sleep(_RECALL_S)
            if not self.turn.segments:
                await self._parts.ask_for_outcome(self.turn.turn_id)


class Announcer:
    """Runs announcements, one at a time.

    Args:
        parts: The device's parts.
        router: Where what comes for them is routed from.
    """

    def __init__(self, parts: Parts, router: Router) -> None:
        self._parts = parts
        self._router = router
        self._current: Announcement | None = None

    async def announce(self, occurrence: Occurrence) -> None:
        """Have an occurrence's words spoken."""
        if occurrence.announcement is None:
            return
        run = self._current = Announcement(occurrence.announcement, self._parts)
        self._router.runs[run.turn.turn_id] = run
        try:
            await run.run()
        finally:
            self._current = None
            del self._router.runs[run.turn.turn_id]

    async def reconnected(self) -> None:
        """Ask for an outcome that may have been missed."""
        if self._current is not None:
            await self._parts.ask_for_outcome(self._current.turn.turn_id)
