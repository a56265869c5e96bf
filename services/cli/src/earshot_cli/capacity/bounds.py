"""What one bus has only so much of: bytes of streams and buckets, unacknowledged messages of consumers, writes of a leader.

Every one of them that `earshot_topology.streams` limits is here, or in UNBOUND with the reason why a fleet does not fill it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from earshot_cli.capacity.assumptions import Assumptions
from earshot_cli.capacity.figures import Figures
from earshot_cli.capacity.in_hand import in_hand
from earshot_topology import streams
from earshot_topology.streams import Consumer

UNBOUND = {
    "PARKED": "grows with faults, not with turns; the oldest give way",
    "SKILLS": "grows with skills, of which a fleet has some dozens",
    "SKILL_ENDPOINTS": "grows with replicas of skills, a few hundred bytes each",
}


class Load(Protocol):
    """A fleet, as far as it fills a bus."""

    @property
    def devices(self) -> int:
        """How many there are."""

    @property
    def turns_per_day(self) -> float:
        """Of each, on average."""

    @property
    def peak_turns_per_s(self) -> float:
        """Turns a second, at the busiest moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Something that one cell has only so much of.

    Attributes:
        of: The stream, bucket or consumer whose limit it is.
        name: What it is.
        kind: What happens when it is reached.
        used: What one cell with the whole fleet would use of it at the busiest moment.
        limit: What there is.
        remedy: What is done about it: there are more cells, or a manifest says more; nothing, where nothing is lost when it is full.
    """

    of: str
    name: str
    kind: str
    used: float
    limit: float
    remedy: Literal["cells", "manifest", "nothing"] = "cells"

    @property
    def share(self) -> float:
        """What the whole fleet would use of it, in one cell."""
        return self.used / self.limit


def bounds(fleet: Load, figures: Figures, assumed: Assumptions) -> list[Bound]:
    """Return what one cell has only so much of, as if the whole fleet were in it; the fullest first."""
    found = [
        *_unacknowledged(fleet, figures, assumed),
        *_in_memory(fleet, figures, assumed),
        *_on_the_way(fleet, figures, assumed),
        *_kept(fleet, figures, assumed),
        *_writes(fleet, figures, assumed),
        *_cores(fleet, figures, assumed),
    ]
    return sorted(found, key=lambda bound: -bound.share)


def _unacknowledged(fleet: Load, figures: Figures, assumed: Assumptions) -> Iterator[Bound]:
    """Yield the consumers."""
    messages = in_hand(fleet.peak_turns_per_s, fleet.devices * assumed.alarms_at_once, figures, assumed)
    waits = "turns wait, though replicas are free"
    kinds: tuple[tuple[Consumer, str], ...] = (
        (streams.ASR_STARTED, "utterances wait, though recognisers are free"),
        (streams.DIALOGUE_STARTED, "deadlines are armed late"),
        (streams.NLU_TRANSCRIBED, waits),
        (streams.DIALOGUE_INTERPRETED, waits),
        (streams.TTS_OUTCOMES, "answers wait, though replicas are free"),
        (streams.DIALOGUE_EVENTS, "sessions know of it late"),
        (streams.DIALOGUE_DEADLINE, "apologies are late"),
        (streams.SCHEDULER_DUE, "alarms of one moment ring one after the other"),
        (streams.SCHEDULER_RINGS, "what rang is noted late"),
    )
    for consumer, kind in kinds:
        yield Bound(
            of=consumer.durable,
            name=f"{consumer.stream}, consumer {consumer.durable}: unacknowledged",
            kind=kind,
            used=messages[consumer.durable],
            limit=float(consumer.max_ack_pending),
        )


def _in_memory(fleet: Load, figures: Figures, assumed: Assumptions) -> Iterator[Bound]:
    """Yield the streams in memory: the oldest gives way in them."""
    rate = fleet.peak_turns_per_s * assumed.retries
    sound = assumed.audio_bytes_per_s
    yield _bytes(
        "AUDIO",
        "frames of utterances in progress are pushed out",
        rate * figures.utterance_s * sound * (figures.utterance_s / 2 + assumed.capture_kept_s),
    )
    yield _bytes(
        "SPEECH",
        "frames of answers being spoken are pushed out",
        rate * figures.answer_s * sound * (figures.answer_s + assumed.backfill_s),
    )
    yield _bytes(
        "QUOTAS",
        "windows are forgotten before they end: quotas are not kept",
        rate * assumed.quota_writes * assumed.quota_window_s * assumed.quota_bytes,
    )


def _on_the_way(fleet: Load, figures: Figures, assumed: Assumptions) -> Iterator[Bound]:
    """Yield the streams in files: what is in hand, and what is kept for as long as a turn may last, or for a day."""
    rate = fleet.peak_turns_per_s * assumed.retries
    yield _bytes(
        "UTTERANCES",
        "starts are refused (storage_full)",
        rate * (figures.utterance_s + assumed.utterance_tail_s) * _stored("UTTERANCES", figures, assumed),
    )
    yield _bytes(
        "TURNS",
        "transcripts are refused (storage_full)",
        rate * (assumed.nlu_pending_s + assumed.turn_pending_s) * _stored("TURNS", figures, assumed),
    )
    yield _bytes(
        "DEVICE_EVENTS",
        "events are refused; devices repeat them",
        rate * assumed.device_events_writes * assumed.handled_s * _stored("DEVICE_EVENTS", figures, assumed),
    )
    yield _bytes(
        "OUTCOMES",
        "turns are forgotten before their deadline",
        rate * assumed.claimed_s * _stored("OUTCOMES", figures, assumed),
    )
    kept_days = _max_age_s("DIRECTIVES") / _DAY_S
    yield _bytes(
        "DIRECTIVES",
        "devices that are away for a while are not told what rang",
        _turns(fleet, kept_days)
        * assumed.timers
        * assumed.directives_per_timer
        * _stored("DIRECTIVES", figures, assumed),
    )


def _kept(fleet: Load, figures: Figures, assumed: Assumptions) -> Iterator[Bound]:
    """Yield the buckets: one entry a device, a household, or a thing that was done within their time."""
    rate = fleet.peak_turns_per_s * assumed.retries
    households = fleet.devices / assumed.household_devices

    def of_bucket(bucket: str, kind: str, entries: float) -> Bound:
        return _bytes(bucket, kind, entries * _stored(f"KV_{bucket}", figures, assumed))

    yield of_bucket(
        "SESSIONS",
        "dialogues are not remembered (storage_full)",
        min(float(fleet.devices), rate * float(streams.SESSIONS.ttl or 0)),
    )
    yield of_bucket("DEVICE_STATES", "shadows are not written (storage_full)", float(fleet.devices))
    yield of_bucket(
        "SKILL_STATES", "skills keep nothing of new households (storage_full)", households * assumed.skill_states
    )
    yield of_bucket(
        "SKILL_EFFECTS",
        "skills do nothing outside any more (storage_full)",
        _turns(fleet, float(streams.SKILL_EFFECTS.ttl or 0) / _DAY_S) * assumed.effects,
    )
    yield of_bucket("SCHEDULES", "timers and alarms can't be set (storage_full)", fleet.devices * assumed.schedules)
    yield of_bucket(
        "HOUSEHOLD_WORDS", "words of new households are not heard (storage_full)", households * assumed.word_lists
    )
    cached = _turns(fleet, float(streams.TTS_CACHE.ttl or 0) / _DAY_S) * assumed.new_sentences
    yield Bound(
        of="TTS_CACHE",
        name="TTS_CACHE: bytes",
        kind="no loss: further sentences are synthesised by each pod",
        used=cached * figures.answer_s * assumed.audio_bytes_per_s,
        limit=float(streams.TTS_CACHE.max_bytes or 0),
        remedy="nothing",
    )


def _writes(fleet: Load, figures: Figures, assumed: Assumptions) -> Iterator[Bound]:
    """Yield what the one leader of a stream takes: of file streams, and of the frames."""
    rate = fleet.peak_turns_per_s * assumed.retries
    writes = {
        name: float(getattr(assumed, f"{name.lower()}_writes"))
        for name in ("UTTERANCES", "TURNS", "OUTCOMES", "DEADLINES", "DEVICE_EVENTS")
    }
    for name, each in writes.items():
        yield Bound(
            of=name,
            name=f"{name}: writes a second",
            kind="publishers wait for the stream's one leader",
            used=rate * each,
            limit=figures.bus.stream_writes_per_s * assumed.machine,
        )
    yield Bound(
        of="AUDIO",
        name="AUDIO: frames a second",
        kind="the capture is behind; takeovers miss frames",
        used=rate * figures.utterance_s * assumed.frames_per_s,
        limit=figures.bus.memory_stream_writes_per_s * assumed.machine,
    )


def _cores(fleet: Load, figures: Figures, assumed: Assumptions) -> Iterator[Bound]:
    """Yield the CPU of the nodes that hold the streams: there are as many of them as copies, however many nodes there are."""
    yield Bound(
        of="NATS",
        name="NATS, nodes that hold streams: cores",
        kind="turns are slow; further nodes carry connections, and no streams",
        used=stream_cores(fleet.peak_turns_per_s, figures, assumed),
        limit=assumed.copies * assumed.node_cores,
    )


def stream_cores(turns_per_s: float, figures: Figures, assumed: Assumptions) -> float:
    """Return the CPU that some turns a second take on the nodes that hold the streams, all of these together."""
    copied = figures.bus.copy_cost if assumed.copies > 1 else 1.0
    return turns_per_s * assumed.retries * figures.bus.cpu_s_per_turn * copied / assumed.machine


_DAY_S = 86_400.0


def _turns(fleet: Load, days: float) -> float:
    """Return how many turns there are in some days."""
    return fleet.devices * fleet.turns_per_day * days


def _max_age_s(name: str) -> float:
    return float(streams.stream(name).max_age or 0)


def _stored(stream: str, figures: Figures, assumed: Assumptions) -> float:
    return figures.bus.stored_bytes.get(stream, assumed.event_bytes)


def _bytes(name: str, kind: str, used: float) -> Bound:
    buckets = {str(config.bucket): config.max_bytes for config in streams.BUCKETS}
    limit = buckets[name] if name in buckets else streams.stream(name).max_bytes
    return Bound(of=name, name=f"{name}: bytes", kind=kind, used=used, limit=float(limit or 0))
