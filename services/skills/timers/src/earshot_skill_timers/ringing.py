"""What rings: put off, or stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from earshot_skill_timers.asking import Asking, ids_of, refused, words_for
from earshot_skill_timers.choosing import ringing
from earshot_skill_timers.timers import LONGEST, SHORTEST
from earshot_skillkit import Dismiss, Extend, Reply, Request, intent

SNOOZE = timedelta(minutes=10)


class RingingIntents(Asking):
    """Answers snooze and dismiss."""

    @intent("snooze")
    async def snooze(self, request: Request) -> Reply:
        """Have what rings ring again a little later."""
        length = request.duration("duration") or SNOOZE
        if length < SHORTEST:
            return refused(request, "too_short")
        if length > LONGEST:
            return refused(request, "too_long")
        ids = await self._ringing(request)
        if not ids:
            return refused(request, "nothing_rings")
        await self.changed(request, ids, Extend(by=length))
        return request.respond("snoozed", duration=words_for(request).duration(length))

    @intent("dismiss")
    async def dismiss(self, request: Request) -> Reply:
        """Stop what rings."""
        ids = await self._ringing(request)
        if not ids:
            return refused(request, "nothing_rings")
        await self.changed(request, ids, Dismiss())
        return request.respond("stopped")

    async def _ringing(self, request: Request) -> list[str]:
        there = await self.listed(request)

        def decide() -> Any:
            return ids_of(ringing(there, device_id=request.device_id))

        ids: list[str] = await self.decided(request, decide)
        return ids
