"""What every turn of a device uses, and what one begins with."""

from __future__ import annotations

from dataclasses import dataclass

from earshot_device.bus import wire
from earshot_device.bus.link import Link
from earshot_device.bus.outbox import Outbox
from earshot_device.core.events import Trigger, WakeWord
from earshot_device.core.ids import BootId, OutcomeId, SessionId, TurnId
from earshot_device.decisions import Decisions
from earshot_device.settings import DeviceSettings
from earshot_device.sound.output import Output
from earshot_device.sound.sources import AudioSource
from earshot_device.turns.carrying_out import DirectiveRunner


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """What a turn begins with."""

    turn_id: TurnId
    source: AudioSource
    trigger: Trigger
    locale: str
    wake_word: WakeWord | None = None
    session_id: SessionId | None = None
    interrupted_outcome_id: OutcomeId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The device's parts that every turn uses."""

    settings: DeviceSettings
    boot_id: BootId
    link: Link
    outbox: Outbox
    output: Output
    decisions: Decisions
    directives: DirectiveRunner

    async def ask_for_outcome(self, turn_id: TurnId) -> None:
        """Ask what was decided about a turn. Whatever the reply says: an outcome comes on its own subject."""
        subject = self.settings.identity.address.outcome_status()
        await self.link.ask(subject, wire.outcome_status_request(turn_id))
