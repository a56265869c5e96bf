"""Who may say and hear what on the bus. Every role is a NATS user with exactly these subjects; nobody is anonymous.

Devices have an account of their own, which imports what they say and what they are told, and nothing else; skills have one
that imports what they say. Permissions there are a template on a scoped signing key: whoever holds the devices' key can make
devices and nothing else, and a device can't be made with more than this; the same goes for skills. Household and device, or
skill, in a subject are therefore the server's word.
"""

from __future__ import annotations

from dataclasses import dataclass

from nats.js.api import KeyValueConfig, ObjectStoreConfig

from earshot_topology import streams, subjects
from earshot_topology.streams import Consumer


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Subjects that a role may publish to and subscribe to; NATS wildcards allowed.

    A role that answers requests may also publish to a request's reply subject, once, within five seconds.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers_requests: bool = False


def inbox(name: str) -> str:
    """Return the prefix of a role's own inboxes."""
    return f"_INBOX_{name}"


def device_inbox(household: str, device: str) -> str:
    """Return the prefix of a device's own inboxes; a serial number is unique only within its household."""
    return f"_INBOX.device.{household}.{device}"


def _consume(consumer: Consumer) -> tuple[str, ...]:
    place = f"{consumer.stream}.{consumer.durable}"
    return (
        f"$JS.API.CONSUMER.MSG.NEXT.{place}",
        f"$JS.API.CONSUMER.INFO.{place}",
        f"$JS.ACK.{place}.>",
    )


def _direct(stream: str) -> tuple[str, ...]:
    return (f"$JS.API.DIRECT.GET.{stream}", f"$JS.API.DIRECT.GET.{stream}.>", f"$JS.API.STREAM.MSG.GET.{stream}")


def _keep(stream: str) -> tuple[str, ...]:
    """Make a memory stream anew that its server has forgotten."""
    return (f"$JS.API.STREAM.CREATE.{stream}",)


def _purge(stream: str) -> tuple[str, ...]:
    return (f"$JS.API.STREAM.PURGE.{stream}",)


def _read_bucket(bucket: KeyValueConfig) -> tuple[str, ...]:
    name = f"KV_{bucket.bucket}"
    return (
        f"$JS.API.STREAM.INFO.{name}",
        *_direct(name),
        f"$JS.API.CONSUMER.CREATE.{name}.>",
        f"$JS.API.CONSUMER.DELETE.{name}.>",
        f"$JS.API.CONSUMER.INFO.{name}.>",
        "$JS.FC.>",
    )


def _listed(bucket: KeyValueConfig) -> tuple[str, ...]:
    """Read a bucket, key by key or all of them at once; no consumer."""
    name = f"KV_{bucket.bucket}"
    return (f"$JS.API.STREAM.INFO.{name}", f"$JS.API.DIRECT.GET.{name}", f"$JS.API.DIRECT.GET.{name}.>")


def _write_bucket(bucket: KeyValueConfig, keys: str = ">") -> tuple[str, ...]:
    return (f"$KV.{bucket.bucket}.{keys}",)


def _own_keys(bucket: KeyValueConfig, keys: str) -> tuple[str, ...]:
    """Read and write some keys of a bucket and no others."""
    name = f"KV_{bucket.bucket}"
    return (
        f"$JS.API.STREAM.INFO.{name}",
        f"$JS.API.DIRECT.GET.{name}.$KV.{bucket.bucket}.{keys}",
        *_write_bucket(bucket, keys),
    )


def _object_store(store: ObjectStoreConfig) -> tuple[str, ...]:
    name = f"OBJ_{store.bucket}"
    return (
        f"$JS.API.STREAM.INFO.{name}",
        *_direct(name),
        *_purge(name),
        f"$JS.API.CONSUMER.CREATE.{name}.>",
        f"$JS.API.CONSUMER.DELETE.{name}.>",
        f"$JS.API.CONSUMER.INFO.{name}.>",
        "$JS.FC.>",
        f"$O.{store.bucket}.>",
    )


_REGISTRY = (*_read_bucket(streams.SKILLS), *_read_bucket(streams.SKILL_ENDPOINTS))
# Writes to the two buckets as they are made, so that a reader lists them when there is something new.
_REGISTRY_NEWS = (f"$KV.{streams.SKILLS.bucket}.>", f"$KV.{streams.SKILL_ENDPOINTS.bucket}.>")
# Reads of one household's words, and news of words that change: what a process has read of them it may keep.
_WORDS = (f"$JS.API.DIRECT.GET.KV_{streams.HOUSEHOLD_WORDS.bucket}",)
_WORDS_NEWS = (f"$KV.{streams.HOUSEHOLD_WORDS.bucket}.>",)
# The server's word on which deliveries were handed back: those that were not, and come again, were lost. One subject for
# all consumers: it tells numbers only, and what a user may do has to fit into the one line with which it connects.
_HANDED_BACK = "$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.>"

ROLES: dict[str, Permissions] = {
    "asr": Permissions(
        publish=(
            *_consume(streams.ASR_STARTED),
            *_direct("AUDIO"),
            *_keep("AUDIO"),
            *_purge("AUDIO"),
            "$JS.API.STREAM.INFO.AUDIO",
            *_REGISTRY,
            *_WORDS,
            "device.*.*.down.recognition",
            "device.*.*.down.error",
            *_direct("QUOTAS"),
            *_keep("QUOTAS"),
            "quota.*.*.*",
            subjects.TURN_OWNED,
            subjects.TURN_TRANSCRIBED,
            # Turns beyond a household's quota end here, silently.
            "turn.outcome.*.*.*",
            "turn.deadline.arm.*.*.*",
            subjects.parked("asr"),
        ),
        subscribe=(
            "device.*.*.up.audio.*",
            "device.*.*.up.resume",
            subjects.TURN_OWNED,
            f"{inbox('asr')}.>",
            *_REGISTRY_NEWS,
            *_WORDS_NEWS,
            _HANDED_BACK,
        ),
        answers_requests=True,
    ),
    "nlu": Permissions(
        publish=(
            *_consume(streams.NLU_TRANSCRIBED),
            *_REGISTRY,
            *_WORDS,
            subjects.TURN_INTERPRETED,
            subjects.parked("nlu"),
        ),
        subscribe=(f"{inbox('nlu')}.>", *_REGISTRY_NEWS, *_WORDS_NEWS, _HANDED_BACK),
    ),
    "dialogue": Permissions(
        publish=(
            *_consume(streams.DIALOGUE_STARTED),
            *_consume(streams.DIALOGUE_EVENTS),
            *_consume(streams.DIALOGUE_INTERPRETED),
            *_consume(streams.DIALOGUE_DEADLINE),
            *_direct("OUTCOMES"),
            *_direct("DIRECTIVES"),
            *_purge("DEADLINES"),
            *_REGISTRY,
            *_read_bucket(streams.SESSIONS),
            *_write_bucket(streams.SESSIONS),
            *_read_bucket(streams.DEVICE_STATES),
            *_write_bucket(streams.DEVICE_STATES),
            "turn.outcome.*.*.*",
            "turn.deadline.arm.*.*.*",
            subjects.TURN_TRANSCRIBED,
            subjects.TURN_FILLER,
            subjects.TURN_SPEECH_CANCELLED,
            "device.*.*.down.outcome.*",
            "device.*.*.down.directive",
            "device.*.*.down.error",
            subjects.parked("dialogue"),
        ),
        # Outcomes as the server republishes them: on turn.outcome a listener would also hear claims that are refused.
        subscribe=(
            "device.*.*.down.outcome.*",
            "device.*.*.up.outcome",
            "device.*.*.up.directives",
            "device.*.*.up.announce",
            f"$KV.{streams.DEVICE_STATES.bucket}.>",
            f"{inbox('dialogue')}.>",
            *_REGISTRY_NEWS,
            _HANDED_BACK,
        ),
        answers_requests=True,
    ),
    "tts": Permissions(
        publish=(
            *_consume(streams.TTS_OUTCOMES),
            *_direct("SPEECH"),
            *_keep("SPEECH"),
            *_direct("OUTCOMES"),
            *_object_store(streams.TTS_CACHE),
            "device.*.*.down.speech.*",
            "device.*.*.down.error",
            subjects.parked("tts"),
        ),
        subscribe=(
            subjects.TURN_FILLER,
            subjects.TURN_SPEECH_CANCELLED,
            "device.*.*.up.backfill",
            f"{inbox('tts')}.>",
            _HANDED_BACK,
        ),
        answers_requests=True,
    ),
    "scheduler": Permissions(
        publish=(
            *_consume(streams.SCHEDULER_DUE),
            *_consume(streams.SCHEDULER_RINGS),
            *_read_bucket(streams.SCHEDULES),
            *_write_bucket(streams.SCHEDULES),
            *_purge("OCCURRENCES"),
            "schedule.arm.*.*.*",
            "device.*.*.down.directive",
            subjects.parked("scheduler"),
        ),
        subscribe=(f"{inbox('scheduler')}.>", _HANDED_BACK),
    ),
    # Sees that turns began and how they ended; hears no audio and says nothing.
    "tracestore": Permissions(
        publish=(),
        subscribe=(
            "device.*.*.up.started.*.*",
            "device.*.*.up.event",
            "device.*.*.down.outcome.*",
            f"{inbox('tracestore')}.>",
        ),
    ),
    # Looks whether the skills that it runs are registered, and deletes what a deleted one leaves there.
    "operator": Permissions(
        publish=tuple(
            subject
            for bucket in (streams.SKILLS, streams.SKILL_ENDPOINTS)
            for subject in (f"$JS.API.DIRECT.GET.KV_{bucket.bucket}", *_write_bucket(bucket))
        ),
        subscribe=(f"{inbox('operator')}.>",),
    ),
    # Applies the topology and replays what was parked: people and deployment jobs, never a service.
    "admin": Permissions(publish=(">",), subscribe=(">",)),
}


_API = "$JS.API"


def _skill(name: str) -> tuple[str, ...]:
    """Return what a skill says: its own registration, lease, state and words, nothing of a turn."""
    return (
        *_listed(streams.SKILLS),
        *_write_bucket(streams.SKILLS, f"{name}.>"),
        *_listed(streams.SKILL_ENDPOINTS),
        *_write_bucket(streams.SKILL_ENDPOINTS, f"{name}.>"),
        *_own_keys(streams.SKILL_STATES, f"{name}.>"),
        *_own_keys(streams.SKILL_EFFECTS, f"{name}.>"),
        *_own_keys(streams.HOUSEHOLD_WORDS, f"*.{name}"),
    )


def in_skills_account(subject: str) -> str:
    """Return what skills call a subject that is imported: JetStream's own, under `subjects.SKILLS_API`."""
    return subject.replace(f"{_API}.", f"{subjects.SKILLS_API}.", 1) if subject.startswith(f"{_API}.") else subject


# What crosses from the account of skills to that of services, for all of them; each one's share is its user's permissions.
SKILLS_SAY = (*_skill("*"), "parked.*.*")
# Of these, what is answered by one message for each key.
SKILLS_LIST = tuple(f"{_API}.DIRECT.GET.KV_{bucket.bucket}" for bucket in (streams.SKILLS, streams.SKILL_ENDPOINTS))

# As the scoped signing key's template: {{name()}}, the skill's id, is filled in by the server.
SKILL_TEMPLATE = Permissions(
    publish=tuple(map(in_skills_account, (*_skill("{{name()}}"), "parked.skill-{{name()}}.*"))),
    subscribe=(f"{inbox('skill-{{name()}}')}.>",),
)


# What crosses between the account of devices and that of services: nothing else does.
DEVICES_SAY = ("device.*.*.up.>",)
DEVICES_HEAR = ("device.*.*.down.>",)

# As the scoped signing key's template: {{tag(household)}} and {{name()}} are filled in by the server from the user's JWT.
DEVICE_TEMPLATE = Permissions(
    publish=("device.{{tag(household)}}.{{name()}}.up.>",),
    subscribe=("device.{{tag(household)}}.{{name()}}.down.>", f"{device_inbox('{{tag(household)}}', '{{name()}}')}.>"),
)
