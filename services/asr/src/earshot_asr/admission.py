"""Whether an utterance is taken: the quotas of its household, held by all workers together.

    known by another start event             ► REPEATED: whoever has that one sees to it
    quota known to be used up                ► Refusal, without asking anybody: a flood must be cheap
    tell the others ► count ► look           ► Admitted, or Refusal

Rate is exact, because one counter numbers all utterances of a household. Concurrency is as exact as news are fast: who tells
the others before it asks the counter has been heard of by most when they look, and of two at once the earlier one is let
in. Bytes are known when an utterance ends, and refuse the next ones. Without the counter each worker counts for itself
(`counting`).

A start that comes for the first time once more is no repetition: its deliveries were counted by a server that is gone, perhaps
with the worker that had it. It is taken like one that comes again. Should that worker live, both end the turn by
compare-and-set, and once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from nats.errors import Error as NatsError

from earshot.asr.v1 import events_pb2
from earshot_asr import wire
from earshot_asr.counting import Counted, SharedCounter
from earshot_asr.errors import QuotaExceededError
from earshot_asr.quota import Books, Excess, Place, QuotaRules
from earshot_asr.utterance import TurnId
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus, Delivery
from earshot_topology.subjects import TURN_OWNED, DeviceAddress, quota

_REFUSALS = telemetry.counter("earshot.asr.refusals", "Utterances beyond a household's quota.")
_REPEATED = telemetry.counter("earshot.asr.repeated_starts", "Starts of utterances that somebody had taken before.")
_log = telemetry.logger("admission")

_WORDS: Final = {
    Excess.UTTERANCES: "too many utterances in too short a time",
    Excess.CONCURRENT: "too many utterances at once",
    Excess.BYTES: "too much audio in too short a time",
}


class Repeated(Enum):
    """Somebody has the utterance already."""

    REPEATED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An utterance that is not taken.

    Attributes:
        error: Why.
        spoken: Whether the user hears it.
    """

    error: QuotaExceededError
    spoken: bool


@dataclass(slots=True)
class Admitted:
    """An utterance that is taken, until `Admission.leave`.

    Attributes:
        address: Whose it is.
        turn_id: Its id.
        epoch: The delivery by which it was taken.
        start: Its start event's sequence on the stream.
        began_at: When.
        audio_bytes: Bytes that were accepted of it; filled in by whoever receives them.
    """

    address: DeviceAddress
    turn_id: TurnId
    epoch: int
    start: int
    began_at: float
    audio_bytes: int = 0


class Admission:
    """Lets utterances in.

    Args:
        bus: The bus.
        counter: Counts with the other workers.
        rules: The quotas.
        owner: This worker; no other may have the same.
        clock: Wall clock, seconds since 1970.
    """

    def __init__(
        self,
        bus: Bus,
        counter: SharedCounter,
        rules: QuotaRules,
        *,
        owner: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._counter = counter
        self._rules = rules
        self._owner = owner
        self._clock = clock
        self._books = Books(rules)

    async def start(self) -> None:
        """Hear what other workers take."""
        await self._bus.subscribe(TURN_OWNED, events_pb2.UtteranceOwned, self._on_owned)

    async def enter(self, address: DeviceAddress, turn_id: TurnId, delivery: Delivery) -> Admitted | Refusal | Repeated:
        """Decide about one utterance; never fails, and never waits for longer than a moment."""
        household, turn = address.household, address.turn_key(turn_id)
        now, start = self._clock(), delivery.stream_sequence
        known = self._books.start_of(household, turn, now)
        # Unless it was let in before.
        first = delivery.num_delivered == 1 and known is None
        if delivery.num_delivered == 1 and known is not None and known != start:
            return self._repeated()
        if first and (excess := self._books.used_up(household, now)) is not None:
            return await self._refusal(address, turn, start, excess, now)
        entry = Admitted(address=address, turn_id=turn_id, epoch=delivery.num_delivered, start=start, began_at=now)
        self._books.began(household, turn, Place(now, self._owner), entry.epoch, start, now)
        await self._tell(entry, ended=False)
        counted = await self._counter.count(quota(household, self._rules.window(now), "utterances"), turn, start)
        if first and counted is not None and counted.repeated:
            if counted.start not in {0, start}:
                # Not a delivery of the same start: the device sent another one.
                await self.leave(entry)
                self._books.remember(household, turn, counted.start)
                return self._repeated()
            first = False
        over = self._books.over_rate(household, self._value(counted, household, now), now)
        # An utterance that was delivered before was let in before.
        if over or (first and self._books.crowded(household, turn, now)):
            await self.leave(entry)
            return await self._refusal(address, turn, start, Excess.UTTERANCES if over else Excess.CONCURRENT, now)
        return entry

    async def leave(self, entry: Admitted) -> None:
        """Be done with an utterance, also with one that another worker may have by now."""
        turn = entry.address.turn_key(entry.turn_id)
        self._books.ended(entry.address.household, turn, self._owner, entry.audio_bytes, self._clock())
        await self._tell(entry, ended=True)

    def _value(self, counted: Counted | None, household: str, now: float) -> int:
        own = self._books.count_turn(household, now)
        if counted is None:
            return own
        # What was counted so long ago that nobody knows its number was let in then.
        return counted.value or 0

    async def _refusal(self, address: DeviceAddress, turn: str, start: int, excess: Excess, now: float) -> Refusal:
        household, spoken = address.household, False
        self._books.remember(household, turn, start)
        if not self._books.hushed(household, now):
            counted = await self._counter.count(
                quota(household, self._rules.window(now), "refusals"), f"{turn}.refused"
            )
            own = self._books.count_refusal(household, now)
            spoken = self._books.aloud(household, own if counted is None else counted.value or 0, now)
        _REFUSALS.add(1, {"quota": excess.value, "spoken": str(spoken).lower()})
        return Refusal(error=QuotaExceededError(_WORDS[excess]), spoken=spoken)

    def _repeated(self) -> Repeated:
        _REPEATED.add(1)
        return Repeated.REPEATED

    async def _tell(self, entry: Admitted, *, ended: bool) -> None:
        try:
            await self._bus.send(TURN_OWNED, wire.utterance_owned(entry, self._owner, ended=ended))
        except (NatsError, OSError) as error:
            _log.info("news_lost", error=type(error).__name__)

    async def _on_owned(self, news: events_pb2.UtteranceOwned, _subject: str) -> None:
        if news.owner == self._owner:
            return
        now = self._clock()
        turn = f"{news.household_id}.{news.device_id}.{news.turn_id}"
        if news.ended:
            self._books.ended(news.household_id, turn, news.owner, news.audio_bytes, now)
        else:
            place = Place(news.begin_time.seconds + news.begin_time.nanos / 1e9, news.owner)
            self._books.began(news.household_id, turn, place, news.owner_epoch, news.start_sequence, now)
