"""Performing an outcome: its prompts and directives in their order, segment by segment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from opentelemetry.trace import Span

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_device.bus import wire
from earshot_device.core.directives import Directive, Speak
from earshot_device.core.events import (
    DirectiveAcknowledged,
    Happening,
    PlaybackFinished,
    PlaybackInterrupted,
    PlaybackStarted,
    Position,
)
from earshot_device.core.ids import OutcomeId, TurnId
from earshot_device.core.outcome import OutcomeKind, OutcomeSegment, SpeechFrame
from earshot_device.core.speech_buffer import Added, Gap
from earshot_device.core.turn import Turn
from earshot_device.errors import SpeechLostError
from earshot_device.sound.output import Channel
from earshot_device.turns.parts import Parts
from earshot_device.turns.speech import SpeechPlayer, SpeechTimings
from earshot_topology import attributes as names

_ASK_S = 2.0
_HEARD_KINDS = frozenset({OutcomeKind.ANSWERED, OutcomeKind.APOLOGISED})


class Performance:
    """One outcome being performed.

    Args:
        turn_id: Its turn.
        outcome_id: The outcome that the turn is bound to.
        parts: The device's parts.
        first_frame: Called when the first frame of its speech arrives.
        channel: As what it sounds.
        stall_s: Without a frame for this long, its speech is lost; None: as the settings say.
        first_s: Without a first frame for this long, likewise; None: as `stall_s`.
    """

    def __init__(
        self,
        turn_id: TurnId,
        outcome_id: OutcomeId,
        parts: Parts,
        *,
        first_frame: Callable[[], None],
        channel: Channel = Channel.TURN,
        stall_s: float | None = None,
        first_s: float | None = None,
    ) -> None:
        stall_s = stall_s or parts.settings.speech_timeout_s
        self._turn_id = turn_id
        self._outcome_id = outcome_id
        self._parts = parts
        self._first_frame = first_frame
        self._channel = channel
        self._span: Span | None = None
        self._over = False
        self.player = SpeechPlayer(
            outcome_id,
            parts.output,
            ask_again=self._ask_again,
            timings=SpeechTimings(stall_s=stall_s, first_s=first_s or stall_s),
            started=self._started,
            channel=channel,
        )

    @property
    def heard(self) -> bool:
        """Whether any of its speech has been heard."""
        return self.player.first_played_at is not None

    def receive(self, frame: SpeechFrame) -> None:
        """Take a frame of speech."""
        first = self.player.first_received_at is None
        if self.player.receive(frame) is Added.NEW and first:
            self._first_frame()

    async def run(self, turn: Turn, changed: asyncio.Event) -> EarshotError | None:
        """Perform every segment; return what broke it off, if anything did.

        Args:
            turn: Holds the segments that have come.
            changed: Set when another one has.
        """
        try:
            while True:
                segment = await self._next_segment(turn, changed)
                await self._perform(segment)
                if segment.final:
                    break
        except SpeechLostError as error:
            await self._break_off(None)
            return error
        finally:
            await self.player.stop()
        self._finish()
        return None

    async def interrupt(self, by_turn_id: TurnId | None) -> None:
        """Fall silent and say how far it got; whatever performed it has been stopped."""
        await self._parts.output.discard(self._channel)
        await self._break_off(by_turn_id)

    async def _next_segment(self, turn: Turn, changed: asyncio.Event) -> OutcomeSegment:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._parts.settings.segment_timeout_s
        while (segment := turn.next_segment()) is None:
            if loop.time() >= give_up:
                raise SpeechLostError("the outcome's next segment never came", code="segment_lost")
            changed.clear()
            try:
                async with asyncio.timeout(min(_ASK_S, give_up - loop.time())):
                    await changed.wait()
            except TimeoutError:
                await self._parts.ask_for_outcome(self._turn_id)
        return segment

    async def _perform(self, segment: OutcomeSegment) -> None:
        steps = list(segment.steps())
        for number, step in enumerate(steps):
            if step is not None and not isinstance(step.command, Speak):
                self._tell(await self._parts.directives.run(step))
                continue
            if segment.prompts and segment.kind in _HEARD_KINDS:
                await self._speak(segment.segment_index)
                if segment.final and not any(_speaks(later) for later in steps[number + 1 :]):
                    self._finish()
            if step is not None:
                self._tell(DirectiveAcknowledged(directive_id=step.directive_id, revision=step.revision))

    async def _speak(self, segment_index: int) -> None:
        if self._span is None:
            self._span = telemetry.start_span("device.playback", attributes={names.OUTCOME_ID: self._outcome_id})
        await self.player.play_segment(segment_index)

    def _started(self) -> None:
        self._tell(PlaybackStarted(outcome_id=self._outcome_id))

    def _finish(self) -> None:
        if self.heard and not self._over:
            self._tell(PlaybackFinished(outcome_id=self._outcome_id, concealed_frame_count=self.player.concealed_count))
        self._close_span()

    async def _break_off(self, by_turn_id: TurnId | None) -> None:
        await self.player.stop()
        speaking = self._span is not None and not self._over
        if speaking and (self.heard or by_turn_id is not None):
            beginning = Position(outcome_id=self._outcome_id, segment_index=0, frame_sequence=0)
            position = self.player.position or beginning
            self._tell(PlaybackInterrupted(position=position, by_turn_id=by_turn_id))
        self._close_span()

    def _close_span(self) -> None:
        self._over = True
        if self._span is not None:
            self._span.set_attribute(names.CONCEALED_FRAMES, self.player.concealed_count)
            self._span.end()
            self._span = None

    def _tell(self, happening: Happening) -> None:
        self._parts.outbox.put(happening, turn_id=self._turn_id)

    async def _ask_again(self, gap: Gap) -> None:
        subject = self._parts.settings.identity.address.backfill()
        await self._parts.link.ask(subject, wire.backfill_request(self._turn_id, self._outcome_id, gap))


def _speaks(step: Directive | None) -> bool:
    return step is None or isinstance(step.command, Speak)
