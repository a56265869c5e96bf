"""What became of everything that was sent: the account of one channel, and the services' own counters.

A message is accounted for when the system itself says what it did with it. The sender's word counts for nothing here:

    refused   the server or the stream said no (too large, not permitted), or an answer or status held an error code
    parked    a consumer gave it up: earshot.message.parked, by event, consumer and code
    sampled   there were too many that can't be read to park them all: earshot.message.discarded, likewise
    dropped   a listener could not read it: earshot.message.malformed, by type; or the device's own counter
    settled   it could be read, and its consumers have nothing pending any more
    kept      it is on a stream or bucket that only keeps

What can't be read must be refused, parked or dropped; what can be read may also be settled or answered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from support.browsing import browser

_MOST_UNREADABLE_CODES = ("malformed_payload", "unexpected_type")


@dataclass(slots=True)
class Account:
    """One channel's messages.

    Attributes:
        sent: How many went out.
        unreadable: How many of those that were taken can't be read by whoever receives them.
        taken: How many the stream acknowledged, or were handed to the server on a core subject.
        refused: How many were refused, by code.
        answered: How many requests were answered without an error.
        unanswered: How many got no word at all where a word is due.
        noted: How many its receivers say they parked or dropped as unreadable.
        receivers: How many receivers must each account for a message that can't be read; 0: it is only kept.
        left: Messages that its consumers have not settled.
    """

    sent: int = 0
    unreadable: int = 0
    taken: int = 0
    answered: int = 0
    unanswered: int = 0
    noted: int = 0
    receivers: int = 0
    left: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def unaccounted(self) -> int:
        """How many messages nobody can say anything about."""
        silent = max(0, self.sent - self.taken - self.refused.total() - self.answered - self.unanswered)
        missing = max(0, self.unreadable * self.receivers - self.noted)
        return self.unanswered + silent + missing + self.left


class Counters:
    """The counters of services, read from their /metrics.

    Args:
        urls: Base URLs of every replica's health server.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self._urls = tuple(urls)

    async def read(self) -> Counter[tuple[str, str, str]]:
        """Return (kind, name, code) to count: kinds "parked" and "discarded" have consumers as names, kind "malformed" message types."""
        found: Counter[tuple[str, str, str]] = Counter()
        async with browser() as client:
            for page in await asyncio.gather(*(client.get(f"{url}/metrics") for url in self._urls)):
                page.raise_for_status()
                for family in text_string_to_metric_families(page.text):
                    for sample in family.samples:
                        match sample.name:
                            case "earshot_message_parked_total":
                                found["parked", sample.labels["consumer"], sample.labels["code"]] += int(sample.value)
                            case "earshot_message_discarded_total":
                                found["discarded", sample.labels["consumer"], sample.labels["code"]] += int(
                                    sample.value
                                )
                            case "earshot_message_malformed_total":
                                found["malformed", sample.labels["type"], ""] += int(sample.value)
        return found


def unreadable_parked(counted: Counter[tuple[str, str, str]], consumer: str) -> int:
    """Return how many messages a consumer gave up because they can't be read: parked, or counted in a flood."""
    return sum(counted[kind, consumer, code] for kind in ("parked", "discarded") for code in _MOST_UNREADABLE_CODES)


def parked(counted: Counter[tuple[str, str, str]]) -> Counter[str]:
    """Return how many messages were parked, by code."""
    found: Counter[str] = Counter()
    for (kind, _, code), count in counted.items():
        if kind == "parked":
            found[code] += count
    return found
