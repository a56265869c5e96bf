"""What this worker is speaking, and what is not to be spoken any more.

A cancellation may come before the speech it is meant for: while a segment waits for the one before it, before the bus
delivers it, or before it is delivered again. So cancelled outcomes are remembered for a while.

The same segment may be delivered twice to one worker, when its event loop stood still for longer than the bus waits.
The newer delivery then ends the older one, which settles nothing: the message is the newer one's.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from earshot_chassis import telemetry
from earshot_chassis.errors import LeaseLostError
from earshot_topology.subjects import DeviceAddress
from earshot_tts.requests import FILLER, OutcomeId, SpeechRequest

_REMEMBERED = 4096
_ACTIVE = telemetry.gauge("earshot.tts.active_playbacks", "Segments being spoken.")
_CANCELLED = telemetry.counter("earshot.tts.cancelled", "Segments that were cancelled while they were spoken.")


class Speech:
    """One segment being spoken.

    Attributes:
        cancelled: Whether it was stopped because nobody wants to hear it.
        ended: Set when its worker is done with it.
    """

    def __init__(self, request: SpeechRequest) -> None:
        self.request = request
        self.cancelled = False
        self.ended = asyncio.Event()
        self.successor: Speech | None = None
        self._scope = asyncio.timeout(None)
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether it was ended early, by a cancellation or by a newer delivery."""
        return self._stopped

    @property
    def scope(self) -> asyncio.Timeout:
        """Context manager around what `stop` ends."""
        return self._scope

    def stop(self) -> None:
        """End it at the next step of the event loop. Idempotent."""
        if not self._stopped:
            self._stopped = True
            self._scope.reschedule(asyncio.get_running_loop().time())


class ActiveSpeech:
    """Everything that this worker is speaking."""

    def __init__(self) -> None:
        self._by_device: dict[DeviceAddress, set[Speech]] = {}
        self._cancelled: OrderedDict[tuple[DeviceAddress, OutcomeId], None] = OrderedDict()
        # It is there before the first segment: what scales on it must find it.
        _ACTIVE.add(0)

    def is_cancelled(self, address: DeviceAddress, outcome_id: OutcomeId) -> bool:
        """Return whether a device's outcome was cancelled, lately."""
        return (address, outcome_id) in self._cancelled

    def is_speaking(self, outcome_id: OutcomeId, segment_index: int, address: DeviceAddress) -> bool:
        """Return whether a segment is being spoken here."""
        return any(
            speech.request.outcome_id == outcome_id and speech.request.segment_index == segment_index
            for speech in self._by_device.get(address, ())
        )

    def cancel(self, address: DeviceAddress, outcome_id: OutcomeId | None) -> int:
        """Stop an outcome on a device; None: whatever is spoken there. Return how many segments were stopped."""
        if outcome_id is not None:
            self._remember(address, outcome_id)
        stopped = 0
        for speech in tuple(self._by_device.get(address, ())):
            theirs = speech.request.outcome_id
            if outcome_id is not None and theirs not in (outcome_id, FILLER):
                continue
            if theirs != FILLER:
                self._remember(address, theirs)
            speech.cancelled = True
            speech.stop()
            stopped += 1
        if stopped:
            _CANCELLED.add(stopped)
        return stopped

    @asynccontextmanager
    async def speaking(self, request: SpeechRequest) -> AsyncIterator[Speech]:
        """Run a block as the speech of a segment; a cancellation ends the block, without an exception outside it.

        Raises:
            LeaseLostError: A newer delivery of the segment ended it.
        """
        speech = Speech(request)
        self._supersede(speech)
        here = self._by_device.setdefault(request.address, set())
        here.add(speech)
        _ACTIVE.add(1)
        try:
            async with speech.scope:
                yield speech
        except TimeoutError:
            if not speech.stopped:
                raise
        finally:
            _ACTIVE.add(-1)
            here.discard(speech)
            if not here and self._by_device.get(request.address) is here:
                del self._by_device[request.address]
            speech.ended.set()
        if speech.successor is not None:
            await speech.successor.ended.wait()
            # The message is the newer delivery's to settle, which may have failed: an acknowledgement from here would
            # settle it for everybody.
            raise LeaseLostError("a newer delivery speaks the segment")

    def _supersede(self, newer: Speech) -> None:
        request = newer.request
        for older in tuple(self._by_device.get(request.address, ())):
            theirs = older.request
            same = (theirs.turn_id, theirs.outcome_id, theirs.segment_index) == (
                request.turn_id,
                request.outcome_id,
                request.segment_index,
            )
            if same and theirs.outcome_id != FILLER and theirs.owner_epoch < request.owner_epoch:
                older.successor = newer
                older.stop()

    def _remember(self, address: DeviceAddress, outcome_id: OutcomeId) -> None:
        self._cancelled[address, outcome_id] = None
        self._cancelled.move_to_end((address, outcome_id))
        while len(self._cancelled) > _REMEMBERED:
            self._cancelled.popitem(last=False)
