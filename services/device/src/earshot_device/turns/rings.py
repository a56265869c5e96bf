"""What rings: decided durably first, then heard (or silent), then told.

    Ring directive ──► decisions ──► ringer: announcement, ringing
    StopRing, the button, or too long ──► decisions ──► silence ──► RingDismissed, until a stream has it

The scheduler's own StopRing is not told back to it: it knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from earshot_device.bus.outbox import Outbox
from earshot_device.core.directives import Directive, Ring
from earshot_device.core.events import Event, RingDismissed
from earshot_device.core.ringbook import Occurrence
from earshot_device.decisions import Decisions
from earshot_device.sound.ringing import Ringer

_SCHEDULERS_PREFIX = "stop_ring."


class Rings:
    """Everything that rings on a device.

    Args:
        decisions: Where it is kept.
        ringer: Makes the sound.
        outbox: Where it is told.
        changed: Called when what rings has changed.
    """

    def __init__(self, *, decisions: Decisions, ringer: Ringer, outbox: Outbox, changed: Callable[[], None]) -> None:
        self._decisions = decisions
        self._ringer = ringer
        self._outbox = outbox
        self._changed = changed

    @property
    def ringing(self) -> tuple[Occurrence, ...]:
        """What rings, the oldest first, announcements included."""
        return self._decisions.ringing

    def resume(self) -> None:
        """Ring on after a restart, and tell what an earlier boot could not."""
        kept, untold = self._decisions.ringing, self._decisions.untold
        for occurrence_id in untold:
            self._tell(occurrence_id)
        for occurrence in kept:
            if occurrence.expire_at is not None and time.time() > occurrence.expire_at:
                self.rang_out(occurrence.occurrence_id)
            else:
                self._ringer.ring(occurrence)
        if kept:
            self._changed()

    def ring(self, ring: Ring, expire_at: float | None) -> bool:
        """Ring; False for what rings already, or was stopped. What rings already is made sure of."""
        occurrence = Occurrence(
            occurrence_id=ring.occurrence_id,
            label=ring.label,
            announcement=ring.announcement,
            expire_at=expire_at,
            kind=ring.kind,
            length_s=ring.length_s,
            due_at=ring.due_at,
        )
        new = self._decisions.ring(occurrence)
        for kept in self.ringing:
            if kept.occurrence_id == occurrence.occurrence_id:
                self._ringer.ring(kept)
        if new:
            self._changed()
        return new

    async def stop(self, occurrence_id: str, *, tell: bool) -> tuple[str, ...]:
        """Stop an occurrence, also one that has not come yet, or with an empty id all that ring; return which.

        Args:
            occurrence_id: The occurrence, or nothing.
            tell: Whether the scheduler has to be told.
        """
        wanted = (occurrence_id,) if occurrence_id else tuple(one.occurrence_id for one in self.ringing)
        stopped = tuple(name for name in wanted if self._decisions.stop_ring(name, tell=tell))
        for name in stopped:
            await self._ringer.stop(name)
            if tell:
                self._tell(name)
        if stopped:
            self._changed()
        return stopped

    def rang_out(self, occurrence_id: str) -> None:
        """Take an occurrence as dismissed that nobody stopped for too long; it is silent already."""
        if self._decisions.stop_ring(occurrence_id, tell=True):
            self._tell(occurrence_id)
            self._changed()

    def delivered(self, event: Event) -> None:
        """Note that the cloud has an event."""
        if isinstance(event.happening, RingDismissed):
            self._decisions.stop_told(event.happening.occurrence_id)

    def _tell(self, occurrence_id: str) -> None:
        self._outbox.put(RingDismissed(occurrence_id=occurrence_id))


def is_the_schedulers(directive: Directive) -> bool:
    """Tell whether a StopRing is the scheduler's own."""
    return directive.directive_id.startswith(_SCHEDULERS_PREFIX)
