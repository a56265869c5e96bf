"""Words of the households that speak at the moment, read when one does and kept for a while.

A turn waits for its household's words no longer than `wait_s`; without them it goes on as if there were none, and the
read goes on for the next turn. What is kept is dropped when the bucket tells of a change. That news may be lost, and a
household that is erased leaves none, so it is also dropped after `kept_s`; nothing older is ever used.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from earshot_registry.errors import RegistryUnavailableError
from earshot_registry.listing import list_bucket
from earshot_registry.registry import Bus
from earshot_registry.words import HouseholdWord, read
from earshot_topology.streams import HOUSEHOLD_WORDS
from earshot_topology.subjects import InvalidTokenError, token

# Of all skills together: what one household can cost a recogniser.
MOST_OF_HOUSEHOLD: Final = 256
_PREFIX: Final = f"$KV.{HOUSEHOLD_WORDS.bucket}."
_READ_TIMEOUT_S: Final = 2.0
# Reads at once: a bus that is away must not collect them.
_MOST_READS: Final = 64

Words = tuple[HouseholdWord, ...]

_log = structlog.get_logger(__name__)


class HouseholdWords:
    """Words by household.

    Args:
        bus: Its connection may list and subscribe to the bucket HOUSEHOLD_WORDS.
        wait_s: Longest time, in seconds, that `of` takes.
        kept_s: How long, in seconds, words are kept.
        households: Of how many.
    """

    def __init__(self, bus: Bus, *, wait_s: float = 0.05, kept_s: float = 60.0, households: int = 4096) -> None:
        self._bus = bus
        self._wait_s = wait_s
        self._kept_s = kept_s
        self._households = households
        self._kept: OrderedDict[str, tuple[float, Words]] = OrderedDict()
        self._reads: dict[str, asyncio.Task[Words]] = {}
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Hear of changes from now on."""
        self._subscription = await self._bus.client.subscribe(f"{_PREFIX}>", cb=self._changed)

    async def stop(self) -> None:
        """Hear of them no more."""
        if self._subscription is not None:
            with contextlib.suppress(NatsError, OSError):
                await self._subscription.unsubscribe()
        for task in list(self._reads.values()):
            task.cancel()

    async def of(self, household: str) -> Words:
        """Return a household's words; none where there are none, or they can't be had in time. Never fails."""
        kept = self._kept.get(household)
        if kept is not None and time.monotonic() - kept[0] < self._kept_s:
            self._kept.move_to_end(household)
            return kept[1]
        self._kept.pop(household, None)
        task = self._reads.get(household) or self._begin(household)
        if task is None:
            return ()
        # The read is another turn's as well.
        done, _ = await asyncio.wait([task], timeout=self._wait_s)
        return task.result() if done and not task.cancelled() else ()

    def _begin(self, household: str) -> asyncio.Task[Words] | None:
        try:
            key = token(household)
        except InvalidTokenError:
            return None
        if len(self._reads) >= _MOST_READS:
            return None
        task = asyncio.create_task(self._read(key), name="household_words.read")
        self._reads[key] = task
        task.add_done_callback(lambda done: self._finished(key, done))
        return task

    def _finished(self, household: str, task: asyncio.Task[Words]) -> None:
        if self._reads.get(household) is task:
            del self._reads[household]

    async def _read(self, household: str) -> Words:
        began = time.monotonic()
        try:
            listing = await list_bucket(
                self._bus.client, HOUSEHOLD_WORDS.bucket, keys=f"{household}.*", timeout_s=_READ_TIMEOUT_S
            )
        except RegistryUnavailableError as error:
            _log.warning("household_words_unavailable", code=error.code)
            return ()
        words: list[HouseholdWord] = []
        refused = 0
        for entry in sorted(listing.entries, key=lambda entry: entry.key):
            if entry.value is not None:
                some, wrong = read(entry.value, entry.key.partition(".")[2])
                words.extend(some)
                refused += wrong
        if refused:
            # Never which: they are the household's.
            _log.warning("household_words_refused", code="word_malformed", count=refused)
        found = tuple(words[:MOST_OF_HOUSEHOLD])
        # A change that came meanwhile took this read's place away: what was read may be older than it.
        if self._reads.get(household) is asyncio.current_task():
            self._keep(household, began, found)
        return found

    def _keep(self, household: str, moment: float, words: Words) -> None:
        self._kept[household] = (moment, words)
        self._kept.move_to_end(household)
        while len(self._kept) > self._households:
            self._kept.popitem(last=False)

    async def _changed(self, message: Msg) -> None:
        household = message.subject.removeprefix(_PREFIX).partition(".")[0]
        self._kept.pop(household, None)
        self._reads.pop(household, None)
