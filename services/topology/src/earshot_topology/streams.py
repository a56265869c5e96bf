"""Streams, consumers and buckets: what exists on JetStream, declared once, applied by `earshot_topology.apply`.

Retention follows meaning. What is work (utterances, turn events, device events) is kept until everyone who must act on
it has; what is a decision (outcomes, deadlines, parked messages) is kept for a time and never consumed away.
UTTERANCES is an interest stream because two parties act on an utterance's start: ASR owns it, dialogue arms its
deadline. OUTCOMES republishes to the device, so that claiming an outcome and delivering it are one write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    KeyValueConfig,
    ObjectStoreConfig,
    RePublish,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

MIB = 1 << 20

# A consumer's message is redelivered when its owner has been silent for this long; owners say "in progress" every third
# of it. Short, because it is the time that a user waits for when a worker dies.
ACK_WAIT_S = 1.2
MAX_DELIVER = 8

# Longer than a window that is counted in and the deliveries of a message.
QUOTAS_KEPT_S = 300

# Messages that one service parks of one household; older ones give way.
PARKED_OF_HOUSEHOLD = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A durable pull consumer: one service's place on a stream. `event` names it in spans and metrics, without ids."""

    stream: str
    durable: str
    event: str
    service: str
    filter_subject: str
    max_ack_pending: int = 1000
    ack_wait_s: float = ACK_WAIT_S
    max_deliver: int = MAX_DELIVER

    def config(self, replicas: int = 1) -> ConsumerConfig:
        """Return it as JetStream wants it."""
        return ConsumerConfig(
            durable_name=self.durable,
            name=self.durable,
            filter_subject=self.filter_subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait_s,
            # More than handlers use: the handler that sees the last delivery parks the message itself, and needs another
            # one when the process dies while it does.
            max_deliver=self.max_deliver + 4,
            max_ack_pending=self.max_ack_pending,
            num_replicas=replicas,
        )


STREAMS: tuple[StreamConfig, ...] = (
    StreamConfig(
        name="AUDIO",
        description="Frames of utterances in progress, for takeover and backfill; purged with their turn.",
        subjects=["device.*.*.up.audio.*"],
        storage=StorageType.MEMORY,
        max_age=90,
        max_bytes=512 * MIB,
        # More than a recogniser accepts of one utterance: a device that goes on for ever pushes out its own.
        max_msgs_per_subject=16_000,
        max_msg_size=64 * 1024,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
    ),
    StreamConfig(
        name="UTTERANCES",
        description="Utterances that began.",
        subjects=["device.*.*.up.started.*.*"],
        retention=RetentionPolicy.INTEREST,
        storage=StorageType.FILE,
        max_age=300,
        max_bytes=256 * MIB,
        # What a device may have waiting: beyond it the stream refuses its starts, and takes those of others.
        max_msgs_per_subject=64,
        discard_new_per_subject=True,
        max_msg_size=64 * 1024,
        discard=DiscardPolicy.NEW,
        duplicate_window=120,
    ),
    StreamConfig(
        name="DEVICE_EVENTS",
        description="What happened on devices.",
        subjects=["device.*.*.up.event", "device.*.*.up.ring"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        max_age=3600,
        max_bytes=256 * MIB,
        # As many as a device itself keeps while it is offline.
        max_msgs_per_subject=1_000,
        discard_new_per_subject=True,
        max_msg_size=64 * 1024,
        discard=DiscardPolicy.NEW,
        duplicate_window=120,
    ),
    StreamConfig(
        name="TURNS",
        description="Turns on their way from words to meaning.",
        subjects=["turn.transcribed", "turn.interpreted"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        max_age=300,
        max_bytes=256 * MIB,
        discard=DiscardPolicy.NEW,
        duplicate_window=120,
    ),
    StreamConfig(
        name="OUTCOMES",
        description="The one outcome of every turn; republished to its device.",
        subjects=["turn.outcome.*.*.*"],
        storage=StorageType.FILE,
        max_age=3600,
        max_bytes=1024 * MIB,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
        republish=RePublish(
            src="turn.outcome.*.*.*",
            dest="device.{{wildcard(1)}}.{{wildcard(2)}}.down.outcome.{{wildcard(3)}}",
        ),
    ),
    StreamConfig(
        name="DEADLINES",
        description="Turn deadlines: scheduled messages and those that became due.",
        # No max_age and no max_bytes: either deletes schedules that are still pending, and the server refuses to combine
        # schedules with DiscardPolicy.NEW. A due message lives for a minute (Nats-Schedule-TTL).
        subjects=["turn.deadline.arm.*.*.*", "turn.deadline.due"],
        storage=StorageType.FILE,
        allow_msg_schedules=True,
        allow_msg_ttl=True,
        # The server turns it on with schedules.
        allow_rollup_hdrs=True,
    ),
    StreamConfig(
        name="OCCURRENCES",
        description="Timers, alarms and reminders: scheduled messages and those that became due.",
        # Unbounded for the same reasons as DEADLINES.
        subjects=["schedule.arm.*.*.*", "schedule.due"],
        storage=StorageType.FILE,
        allow_msg_schedules=True,
        allow_msg_ttl=True,
        allow_rollup_hdrs=True,
    ),
    StreamConfig(
        name="SPEECH",
        description="Frames of answers being spoken, for takeover and backfill.",
        subjects=["device.*.*.down.speech.*"],
        storage=StorageType.MEMORY,
        max_age=90,
        max_bytes=512 * MIB,
        max_msg_size=64 * 1024,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
    ),
    StreamConfig(
        name="DIRECTIVES",
        description="Directives outside an outcome, kept for devices that are away.",
        subjects=["device.*.*.down.directive"],
        storage=StorageType.FILE,
        # As long as anything may still ring.
        max_age=86_400,
        max_msgs_per_subject=100,
        max_bytes=256 * MIB,
        allow_direct=True,
    ),
    StreamConfig(
        name="PARKED",
        description="Messages that could not be processed, for people to look at and replay.",
        subjects=["parked.*.*"],
        storage=StorageType.FILE,
        max_age=14 * 86400,
        # Of each household, by each service: the latest.
        max_msgs_per_subject=PARKED_OF_HOUSEHOLD,
        max_bytes=256 * MIB,
        allow_direct=True,
    ),
    StreamConfig(
        name="QUOTAS",
        description="What households used of their quotas, in windows of time.",
        # Counters: the acknowledgement tells the new value, and a repetition is known by its id, not counted.
        subjects=["quota.*.*.*"],
        storage=StorageType.MEMORY,
        allow_msg_counter=True,
        max_age=QUOTAS_KEPT_S,
        max_bytes=64 * MIB,
        discard=DiscardPolicy.OLD,
        duplicate_window=QUOTAS_KEPT_S,
        allow_direct=True,
    ),
)

ASR_STARTED = Consumer(
    event="utterance.started",
    stream="UTTERANCES",
    durable="asr",
    service="asr",
    filter_subject="device.*.*.up.started.*.*",
    # Utterances in progress in the whole fleet: one is pending for as long as somebody speaks.
    max_ack_pending=20_000,
)
DIALOGUE_STARTED = Consumer(
    event="utterance.started",
    stream="UTTERANCES",
    durable="dialogue_started",
    service="dialogue",
    filter_subject="device.*.*.up.started.*.*",
)
DIALOGUE_EVENTS = Consumer(
    event="device.event",
    stream="DEVICE_EVENTS",
    durable="dialogue_events",
    service="dialogue",
    filter_subject="device.*.*.up.event",
)
NLU_TRANSCRIBED = Consumer(
    event="turn.transcribed", stream="TURNS", durable="nlu", service="nlu", filter_subject="turn.transcribed"
)
DIALOGUE_INTERPRETED = Consumer(
    event="turn.interpreted", stream="TURNS", durable="dialogue", service="dialogue", filter_subject="turn.interpreted"
)
DIALOGUE_DEADLINE = Consumer(
    event="turn.deadline",
    stream="DEADLINES",
    durable="dialogue_deadline",
    service="dialogue",
    filter_subject="turn.deadline.due",
)
SCHEDULER_DUE = Consumer(
    event="schedule.due",
    stream="OCCURRENCES",
    durable="scheduler_due",
    service="scheduler",
    filter_subject="schedule.due",
    # Thousands are due at one instant, at half past seven for instance.
    max_ack_pending=4_000,
    # What a scheduler that dies had in its hands waits for this before another one rings it. So much shorter than elsewhere
    # because nobody is in the middle of anything: a batch takes some 20 ms, and what is rung twice is heard once.
    ack_wait_s=0.5,
    # A ringing is never given up because something could not be reached.
    max_deliver=10_000,
)
SCHEDULER_RINGS = Consumer(
    event="device.ring",
    stream="DEVICE_EVENTS",
    durable="scheduler_rings",
    service="scheduler",
    filter_subject="device.*.*.up.ring",
)
TTS_OUTCOMES = Consumer(
    event="turn.outcome",
    stream="OUTCOMES",
    durable="tts",
    service="tts",
    filter_subject="turn.outcome.*.*.*",
    # Answers being spoken in the whole fleet: one is pending for as long as it is heard.
    max_ack_pending=20_000,
)

CONSUMERS: tuple[Consumer, ...] = (
    ASR_STARTED,
    DIALOGUE_STARTED,
    DIALOGUE_EVENTS,
    NLU_TRANSCRIBED,
    DIALOGUE_INTERPRETED,
    DIALOGUE_DEADLINE,
    SCHEDULER_DUE,
    SCHEDULER_RINGS,
    TTS_OUTCOMES,
)

# Leases: an entry that is not renewed disappears. Renew every third of it. Longer than a bucket can be without a leader
# (an election takes 4 to 9 s) and a renewal late: skills that nobody can renew are alive all the same.
SKILL_LEASE_S = 18.0

SESSIONS = KeyValueConfig(
    bucket="SESSIONS", description="Dialogues in progress.", history=1, ttl=3600, max_bytes=256 * MIB
)
# Direct reads: the registry lists these two buckets whole, in one request each.
SKILLS = KeyValueConfig(
    bucket="SKILLS", description="Descriptions of skills.", history=1, max_bytes=64 * MIB, direct=True
)
SKILL_ENDPOINTS = KeyValueConfig(
    bucket="SKILL_ENDPOINTS",
    description="Running replicas of skills.",
    history=1,
    ttl=SKILL_LEASE_S,
    max_bytes=16 * MIB,
    direct=True,
)
DEVICE_STATES = KeyValueConfig(bucket="DEVICE_STATES", description="Device shadows.", history=1, max_bytes=256 * MIB)
# Keys begin with the skill. Direct reads name the key in their subject, so that permissions can keep skills apart.
SKILL_STATES = KeyValueConfig(
    bucket="SKILL_STATES", description="What skills keep per household.", history=1, max_bytes=256 * MIB, direct=True
)
# What skills did outside, for as long as a call may come again and somebody may ask; keys as in SKILL_STATES.
SKILL_EFFECTS = KeyValueConfig(
    bucket="SKILL_EFFECTS",
    description="What skills did outside, by idempotency key.",
    history=1,
    ttl=86_400,
    max_bytes=256 * MIB,
    direct=True,
)

# Keys <household>.<schedule>.
SCHEDULES = KeyValueConfig(
    bucket="SCHEDULES", description="Timers, alarms and reminders.", history=1, max_bytes=1024 * MIB, direct=True
)

# Keys <household>.<skill>: one read gives a household's words, of every skill and of nobody else.
HOUSEHOLD_WORDS = KeyValueConfig(
    bucket="HOUSEHOLD_WORDS",
    description="What households call their things.",
    history=1,
    max_value_size=32 * 1024,
    max_bytes=256 * MIB,
    direct=True,
)

BUCKETS: tuple[KeyValueConfig, ...] = (
    SESSIONS,
    SKILLS,
    SKILL_ENDPOINTS,
    DEVICE_STATES,
    SKILL_STATES,
    SKILL_EFFECTS,
    SCHEDULES,
    HOUSEHOLD_WORDS,
)

TTS_CACHE = ObjectStoreConfig(
    bucket="TTS_CACHE", description="Synthesised sentences.", ttl=7 * 86400, max_bytes=512 * MIB
)

OBJECT_STORES: tuple[ObjectStoreConfig, ...] = (TTS_CACHE,)


def stream(name: str, replicas: int = 1) -> StreamConfig:
    """Return a stream's declaration.

    Raises:
        KeyError: It is not declared.
    """
    for config in STREAMS:
        if config.name == name:
            return replace(config, num_replicas=replicas)
    raise KeyError(name)
