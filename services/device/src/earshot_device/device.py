"""A device: microphone to loudspeaker.

    async with Device(DeviceSettings(household_id="h1", device_id="d1", nats_url=url)) as device:
        result = await device.say(samples, 16_000)

It runs one turn at a time. A turn that begins while another is in progress interrupts it, as a user does who speaks over
the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from earshot_chassis import telemetry
from earshot_chassis.ids import uuid7
from earshot_device.bus.link import Link
from earshot_device.bus.missed import MissedDirectives
from earshot_device.bus.outbox import Outbox
from earshot_device.core.directives import Directive, DirectiveLog, Listen, MediaItem, Ring, StopRing
from earshot_device.core.events import (
    AbandonReason,
    Connected,
    DirectiveAcknowledged,
    Event,
    Happening,
    MediaFinished,
    StateChanged,
    Trigger,
    WakeWord,
)
from earshot_device.core.ids import BootId, OutcomeId, SessionId, TurnId
from earshot_device.core.ringbook import Occurrence
from earshot_device.decisions import Decisions
from earshot_device.errors import NotConnectedError
from earshot_device.media.player import MediaPlayer
from earshot_device.settings import DeviceSettings
from earshot_device.sound.output import Output
from earshot_device.sound.ringing import Ringer
from earshot_device.sound.sinks import NullSink, Sink
from earshot_device.sound.sources import AudioSource, NoiseFloor, SampleSource, file_source
from earshot_device.tasks import end
from earshot_device.turns.announcement import Announcer
from earshot_device.turns.carrying_out import DirectiveRunner
from earshot_device.turns.parts import Parts, TurnRequest
from earshot_device.turns.result import TurnResult
from earshot_device.turns.rings import Rings
from earshot_device.turns.routing import Observer, Router
from earshot_device.turns.turn_run import TurnRun

CAPABILITIES = ("speech", "media", "ring")
_FAREWELL_S = 2.0

_log = telemetry.logger("device")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """The microphone is open again for a session until `until` (loop time)."""

    session_id: SessionId
    until: float


class Device:
    """A device, open within `async with`.

    Args:
        settings: Who it is and how it behaves.
        sink: Where its sound goes; default: nowhere, at the same pace.
        observe: Called with each recognition update and outcome segment as it comes.
        happened: Called with everything that the device tells the cloud, as it happens.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        *,
        sink: Sink | None = None,
        observe: Observer | None = None,
        happened: Callable[[Happening], None] | None = None,
    ) -> None:
        self.settings = settings
        self.boot_id = BootId(uuid7())
        self.follow_up: FollowUp | None = None
        self._router = Router(directed=self._directed, observe=observe)
        self._link = Link(
            settings.identity,
            settings.servers,
            authorities=settings.nats_ca,
            timeout_s=settings.connect_timeout_s,
            receive=self._router.receive,
            reconnected=self._reconnected,
        )
        self._decisions = Decisions(settings.state_file)
        self._directive_log = DirectiveLog(revision=self._decisions.directive_revision, seen=self._decisions.directives)
        self._output = Output(sink or NullSink(), rate=settings.playback_rate, speed=settings.playback_speed)
        address = settings.identity.address
        self._missed = MissedDirectives(self._link, subject=address.directives(), every_s=settings.directives_every_s)
        self._outbox = Outbox(
            self._link,
            address=address,
            boot_id=self.boot_id,
            delivered=self._delivered,
            observe=(lambda event: happened(event.happening)) if happened is not None else None,
        )
        self._media = MediaPlayer(self._output, changed=self._state_changed, finished=self._media_finished)
        self._ringer = Ringer(
            self._output, announce=self._announce, rang_out=self._rang_out, ring_for_s=settings.ring_for_s
        )
        self._rings = Rings(
            decisions=self._decisions, ringer=self._ringer, outbox=self._outbox, changed=self._state_changed
        )
        runner = DirectiveRunner(
            output=self._output,
            media=self._media,
            rings=self._rings,
            changed=self._state_changed,
            listen=self._listen,
            stop_speech=self._stop_speech,
        )
        self._parts = Parts(
            settings=settings,
            boot_id=self.boot_id,
            link=self._link,
            outbox=self._outbox,
            output=self._output,
            decisions=self._decisions,
            directives=runner,
        )
        self._announcer = Announcer(self._parts, self._router)
        self._current: TurnRun | None = None
        self._directives: asyncio.Queue[Directive] = asyncio.Queue()
        self._stack = AsyncExitStack()
        self._is_open = False
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._turns = 0

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            LinkLostError: The bus can't be reached.
            CredentialRefusedError: The bus refuses the credential.
            AudioOutputError: There is nothing to play on.
        """
        async with AsyncExitStack() as stack:
            await self._output.open()
            stack.push_async_callback(self._output.close)
            await self._link.open()
            stack.push_async_callback(self._link.close)
            self._outbox.start()
            stack.push_async_callback(self._outbox.stop, patience_s=_FAREWELL_S)
            worker = asyncio.create_task(self._obey(), name="device-directives")
            stack.push_async_callback(end, worker)
            stack.push_async_callback(self._ringer.close)
            stack.push_async_callback(self._media.close)
            stack.push_async_callback(self._missed.stop)
            self._stack = stack.pop_all()
        self._is_open = True
        self._tell_connected()
        self._rings.resume()
        await self._missed.ask()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sounding, give waiting events two seconds, and disconnect."""
        self._is_open = False
        self.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await self._quiet.wait()
        await self._stack.aclose()

    # Turns.

    async def say(
        self,
        samples: NDArray[np.int16],
        rate: int = 16_000,
        *,
        trigger: Trigger = Trigger.BUTTON,
        locale: str | None = None,
    ) -> TurnResult:
        """Speak samples (mono int16, shape (n,)) as one utterance and return its turn when the answer has been heard.

        Args:
            samples: What is said.
            rate: Samples a second.
            trigger: What made the device listen.
            locale: BCP-47 of what is said; default: the device's.

        Raises:
            UtteranceRefusedError: The samples are not mono int16, their rate is not 8,000 to 48,000 Hz, or there are none.
            NotConnectedError: The device is not open.
        """
        source = SampleSource(samples, rate, pre_roll_s=self.settings.pre_roll_s, noise=self._noise())
        return await self.listen(source, trigger=trigger, locale=locale)

    async def say_file(self, path: Path, *, trigger: Trigger = Trigger.BUTTON) -> TurnResult:
        """Speak a WAV, FLAC or Ogg file.

        Raises:
            AudioInputError: The file can't be read.
            UtteranceRefusedError: Its rate is out of range, or there is nothing in it.
            NotConnectedError: The device is not open.
        """
        source = file_source(path, pre_roll_s=self.settings.pre_roll_s, noise=self._noise())
        return await self.listen(source, trigger=trigger)

    async def listen(
        self,
        source: AudioSource,
        *,
        trigger: Trigger = Trigger.BUTTON,
        wake_word: WakeWord | None = None,
        locale: str | None = None,
    ) -> TurnResult:
        """Run one turn from any source, for instance a `Microphone`.

        A turn within a follow-up's time belongs to its session; one that begins during another is a barge-in.

        Args:
            source: What is heard.
            trigger: What made the device listen, where it is neither of the two.
            wake_word: What was heard, for the trigger WAKE_WORD.
            locale: BCP-47 of what is said; default: the device's.

        Raises:
            NotConnectedError: The device is not open.
        """
        if not self._is_open:
            raise NotConnectedError("the device is not open: use it within `async with`")
        turn_id = TurnId(uuid7())
        previous, follow_up = self._current, self._take_follow_up()
        interrupted = previous.outcome_id if previous is not None else None
        if previous is not None:
            previous.interrupt(turn_id)
            trigger = Trigger.BARGE_IN
        elif follow_up is not None:
            trigger = Trigger.FOLLOW_UP
        request = TurnRequest(
            turn_id=turn_id,
            source=source,
            trigger=trigger,
            locale=locale or self.settings.locale,
            wake_word=wake_word,
            session_id=follow_up.session_id if follow_up is not None else None,
            interrupted_outcome_id=interrupted,
        )
        run = self._router.runs[turn_id] = self._current = TurnRun(request, self._parts)
        self._turns += 1
        self._quiet.clear()
        try:
            result = await run.run()
        finally:
            del self._router.runs[turn_id]
            self._turns -= 1
            if not self._turns:
                self._quiet.set()
            if self._current is run:
                self._current = None
        if result.expects_reply and result.session_id is not None and self._current is None:
            self._open_microphone(result.session_id, self.settings.follow_up_timeout_s)
        if result.abandoned is AbandonReason.CLOUD_TIMEOUT and self._is_open:
            # The server may be one that the cloud can't be reached from.
            await self._missed.doubt()
        return result

    def cancel(self) -> None:
        """End the turn in progress, if there is one, as if its user had pressed a button."""
        if self._current is not None:
            self._current.interrupt()

    # Ringing.

    @property
    def ringing(self) -> tuple[Occurrence, ...]:
        """What rings, the oldest first; also while its announcement is being spoken."""
        return self._rings.ringing

    async def dismiss(self, occurrence_id: str | None = None) -> tuple[str, ...]:
        """Stop what rings, as if somebody had pressed a button: at once, without the cloud, and for ever.

        The cloud is told as soon as it can be, by a later boot if need be.

        Args:
            occurrence_id: What to stop; None: everything.

        Returns:
            What rang and is silent now.
        """
        rang = {occurrence.occurrence_id for occurrence in self.ringing}
        if occurrence_id is not None and occurrence_id not in rang:
            return ()
        return await self._rings.stop(occurrence_id or "", tell=True)

    # State.

    @property
    def state(self) -> StateChanged:
        """What the device is doing now."""
        item = self._media.item
        return StateChanged(
            volume_percent=self._output.volume_percent,
            muted=self._output.muted,
            media_item_id=item.item_id if item is not None else "",
            media_playing=self._media.playing,
            media_offset_s=self._media.offset_s,
            ringing=tuple(occurrence.occurrence_id for occurrence in self.ringing),
        )

    @property
    def connected(self) -> bool:
        """Whether the bus can be reached at the moment."""
        return self._link.connected

    @property
    def dropped(self) -> dict[str, int]:
        """How many messages from the cloud were dropped, by reason."""
        return dict(self._router.dropped)

    async def media_idle(self) -> None:
        """Wait until no media plays any more."""
        await self._media.idle()

    async def settled(self, timeout_s: float = 5.0) -> None:
        """Wait until the cloud has every event of this device.

        Raises:
            TimeoutError: It does not, within `timeout_s`.
        """
        await self._outbox.drained(timeout_s)

    # What the parts report.

    def _noise(self) -> NoiseFloor | None:
        level = self.settings.noise_floor_dbfs
        return NoiseFloor(level) if level is not None else None

    def _take_follow_up(self) -> FollowUp | None:
        follow_up, self.follow_up = self.follow_up, None
        if follow_up is None or asyncio.get_running_loop().time() > follow_up.until:
            return None
        return follow_up

    def _open_microphone(self, session_id: SessionId, timeout_s: float) -> None:
        self.follow_up = FollowUp(session_id=session_id, until=asyncio.get_running_loop().time() + timeout_s)

    def _listen(self, listen: Listen) -> None:
        self._open_microphone(listen.session_id, listen.timeout_s or self.settings.follow_up_timeout_s)

    def _stop_speech(self, outcome_id: OutcomeId) -> None:
        if self._current is not None and self._current.outcome_id == outcome_id:
            self._current.interrupt()

    def _state_changed(self) -> None:
        self._outbox.put(self.state)

    def _media_finished(self, item: MediaItem) -> None:
        self._outbox.put(MediaFinished(media_item_id=item.item_id))

    def _directed(self, directive: Directive) -> None:
        if self._directive_log.admit(directive):
            self._directives.put_nowait(directive)

    async def _obey(self) -> None:
        while True:
            directive = await self._directives.get()
            try:
                await self._carry_out(directive)
            except Exception as error:  # noqa: BLE001 - one directive must not end the ones that follow
                _log.error("directive_failed", code="internal", exc_info=error)

    async def _carry_out(self, directive: Directive) -> None:
        # Rings are decided by occurrence: rather twice than lost. Everything else rather lost than twice.
        by_occurrence = isinstance(directive.command, Ring | StopRing)
        if not by_occurrence:
            self._decisions.note_directive(directive)
        told = await self._parts.directives.run(directive)
        if by_occurrence and (isinstance(told, DirectiveAcknowledged) or told.final):
            self._decisions.note_directive(directive)
        elif by_occurrence:
            # The cloud still has it, and sends it again.
            self._directive_log.forget(directive)
        self._outbox.put(told)

    async def _announce(self, occurrence: Occurrence) -> None:
        await self._announcer.announce(occurrence)

    def _rang_out(self, occurrence_id: str) -> None:
        self._rings.rang_out(occurrence_id)

    def _delivered(self, event: Event) -> None:
        self._rings.delivered(event)

    def _tell_connected(self) -> None:
        self._outbox.put(
            Connected(
                firmware_version=self.settings.firmware_version,
                directive_revision=self._decisions.directive_revision,
                capabilities=CAPABILITIES,
            )
        )

    async def _reconnected(self) -> None:
        self._tell_connected()
        await self._missed.ask()
        if self._current is not None:
            self._current.reconnected()
        await self._announcer.reconnected()
