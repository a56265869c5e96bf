"""Every channel of the bus: its subject, its message, who sends it and who reads it. AsyncAPI is generated from this."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from earshot.asr.v1 import events_pb2
from earshot.device.v1 import directive_pb2, downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2, session_pb2
from earshot.household.v1 import household_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.schedule.v1 import record_pb2, schedule_pb2
from earshot.skill.v1 import skill_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One subject with parameters in braces.

    Attributes:
        name: Short name, unique.
        address: Subject; `{household}` stands for one token.
        message: What travels on it.
        reply: What answers it, for requests.
        stream: Stream or bucket that keeps it; empty for core NATS.
        senders: Roles that publish.
        receivers: Roles that read.
        summary: One sentence.
    """

    name: str
    address: str
    message: type[Message]
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    summary: str
    stream: str = ""
    reply: type[Message] | None = None


_UP = "device.{household}.{device}.up"
_DOWN = "device.{household}.{device}.down"

CHANNELS: tuple[Channel, ...] = (
    Channel(
        name="utteranceStarted",
        address=f"{_UP}.started.{{locale}}.{{lane}}",
        message=upstream_pb2.UtteranceStarted,
        stream="UTTERANCES",
        senders=("device",),
        receivers=("asr", "dialogue", "tracestore"),
        summary="An utterance began: one ASR worker owns it, dialogue arms its deadline.",
    ),
    Channel(
        name="audioFrame",
        address=f"{_UP}.audio.{{turn}}",
        message=upstream_pb2.AudioFrame,
        stream="AUDIO",
        senders=("device",),
        receivers=("asr",),
        summary="A frame of speech; core NATS, captured for takeover and backfill.",
    ),
    Channel(
        name="deviceEvent",
        address=f"{_UP}.event",
        message=upstream_pb2.DeviceEvent,
        stream="DEVICE_EVENTS",
        senders=("device",),
        receivers=("dialogue", "tracestore"),
        summary="Something happened on the device.",
    ),
    Channel(
        name="deviceRing",
        address=f"{_UP}.ring",
        message=upstream_pb2.DeviceEvent,
        stream="DEVICE_EVENTS",
        senders=("device",),
        receivers=("scheduler",),
        summary="Ringing was stopped on the device.",
    ),
    Channel(
        name="missedDirectives",
        address=f"{_UP}.directives",
        message=upstream_pb2.DirectivesRequest,
        reply=upstream_pb2.DirectivesResponse,
        senders=("device",),
        receivers=("dialogue",),
        summary="Asks for directives that came while the device was away.",
    ),
    Channel(
        name="announcement",
        address=f"{_UP}.announce",
        message=upstream_pb2.AnnouncementRequest,
        reply=upstream_pb2.AnnouncementResponse,
        senders=("device",),
        receivers=("dialogue",),
        summary="Asks to have words spoken that came with a directive.",
    ),
    Channel(
        name="speechBackfill",
        address=f"{_UP}.backfill",
        message=upstream_pb2.BackfillRequest,
        reply=upstream_pb2.BackfillResponse,
        senders=("device",),
        receivers=("tts",),
        summary="Asks for frames of an answer again.",
    ),
    Channel(
        name="uploadStatus",
        address=f"{_UP}.resume",
        message=upstream_pb2.UploadStatusRequest,
        reply=upstream_pb2.UploadStatusResponse,
        senders=("device",),
        receivers=("asr",),
        summary="Asks where an upload stands.",
    ),
    Channel(
        name="outcomeStatus",
        address=f"{_UP}.outcome",
        message=upstream_pb2.OutcomeStatusRequest,
        reply=upstream_pb2.OutcomeStatusResponse,
        senders=("device",),
        receivers=("dialogue",),
        summary="Asks for an outcome that may have been missed.",
    ),
    Channel(
        name="recognitionUpdate",
        address=f"{_DOWN}.recognition",
        message=downstream_pb2.RecognitionUpdate,
        senders=("asr",),
        receivers=("device",),
        summary="What the recogniser found so far; losable.",
    ),
    Channel(
        name="outcomeDelivered",
        address=f"{_DOWN}.outcome.{{turn}}",
        message=outcome_pb2.Outcome,
        senders=("dialogue", "nats-server"),
        receivers=("device", "dialogue", "tracestore"),
        summary="A turn's outcome, republished by the server when it is claimed.",
    ),
    Channel(
        name="speechFrame",
        address=f"{_DOWN}.speech.{{turn}}",
        message=downstream_pb2.SpeechFrame,
        stream="SPEECH",
        senders=("tts",),
        receivers=("device",),
        summary="A frame of the answer; core NATS, captured for takeover and backfill.",
    ),
    Channel(
        name="directive",
        address=f"{_DOWN}.directive",
        message=directive_pb2.Directive,
        stream="DIRECTIVES",
        senders=("dialogue", "scheduler"),
        receivers=("device",),
        summary="A command outside of a turn.",
    ),
    Channel(
        name="deviceError",
        address=f"{_DOWN}.error",
        message=downstream_pb2.DeviceError,
        senders=("asr", "dialogue", "tts"),
        receivers=("device",),
        summary="Something that the device sent was refused.",
    ),
    Channel(
        name="turnTranscribed",
        address="turn.transcribed",
        message=events_pb2.TurnTranscribed,
        stream="TURNS",
        senders=("asr", "dialogue"),
        receivers=("nlu",),
        summary="An utterance was transcribed, or a turn was typed.",
    ),
    Channel(
        name="turnInterpreted",
        address="turn.interpreted",
        message=interpreter_pb2.TurnInterpreted,
        stream="TURNS",
        senders=("nlu",),
        receivers=("dialogue",),
        summary="A turn was understood as far as it goes.",
    ),
    Channel(
        name="turnOutcome",
        address="turn.outcome.{household}.{device}.{turn}",
        message=outcome_pb2.Outcome,
        stream="OUTCOMES",
        senders=("dialogue", "asr"),
        receivers=("tts",),
        summary="The one outcome of a turn, claimed by compare-and-set.",
    ),
    Channel(
        name="turnDeadlineArm",
        address="turn.deadline.arm.{household}.{device}.{turn}",
        message=outcome_pb2.TurnDeadline,
        stream="DEADLINES",
        senders=("asr", "dialogue"),
        receivers=("nats-server",),
        summary="Arms or moves a turn's deadline: a scheduled message.",
    ),
    Channel(
        name="turnDeadlineDue",
        address="turn.deadline.due",
        message=outcome_pb2.TurnDeadline,
        stream="DEADLINES",
        senders=("nats-server",),
        receivers=("dialogue",),
        summary="A turn's deadline has come.",
    ),
    Channel(
        name="scheduleArm",
        address="schedule.arm.{household}.{schedule}.{arming}",
        message=schedule_pb2.OccurrenceDue,
        stream="OCCURRENCES",
        senders=("scheduler",),
        receivers=("nats-server",),
        summary="Arms one revision of a timer, alarm or reminder: a scheduled message.",
    ),
    Channel(
        name="scheduleDue",
        address="schedule.due",
        message=schedule_pb2.OccurrenceDue,
        stream="OCCURRENCES",
        senders=("nats-server",),
        receivers=("scheduler",),
        summary="A timer, alarm or reminder is due.",
    ),
    Channel(
        name="turnFiller",
        address="turn.filler",
        message=outcome_pb2.FillerRequested,
        senders=("dialogue",),
        receivers=("tts",),
        summary="Words to bridge a wait; losable.",
    ),
    Channel(
        name="speechCancelled",
        address="turn.speech_cancelled",
        message=outcome_pb2.SpeechCancelled,
        senders=("dialogue",),
        receivers=("tts",),
        summary="Stop speaking; losable, the device has stopped by itself.",
    ),
    Channel(
        name="utteranceOwned",
        address="turn.owned",
        message=events_pb2.UtteranceOwned,
        senders=("asr",),
        receivers=("asr",),
        summary="A worker took an utterance, or is done with it; losable.",
    ),
    Channel(
        name="session",
        address="$KV.SESSIONS.{household}.{device}",
        message=session_pb2.Session,
        stream="KV_SESSIONS",
        senders=("dialogue",),
        receivers=("dialogue",),
        summary="A dialogue in progress, changed by compare-and-set.",
    ),
    Channel(
        name="deviceState",
        address="$KV.DEVICE_STATES.{household}.{device}",
        message=upstream_pb2.StateChanged,
        stream="KV_DEVICE_STATES",
        senders=("dialogue",),
        receivers=("dialogue",),
        summary="The device shadow.",
    ),
    Channel(
        name="schedule",
        address="$KV.SCHEDULES.{household}.{schedule}",
        message=record_pb2.ScheduleRecord,
        stream="KV_SCHEDULES",
        senders=("scheduler",),
        receivers=("scheduler",),
        summary="A timer, alarm or reminder, changed by compare-and-set.",
    ),
    Channel(
        name="skillDescription",
        address="$KV.SKILLS.{skill}.{version}",
        message=skill_pb2.SkillDescription,
        stream="KV_SKILLS",
        senders=("skill",),
        receivers=("asr", "nlu", "dialogue"),
        summary="What a version of a skill can do, with its sentences.",
    ),
    Channel(
        name="skillEndpoint",
        address="$KV.SKILL_ENDPOINTS.{skill}.{version}.{instance}",
        message=skill_pb2.SkillEndpoint,
        stream="KV_SKILL_ENDPOINTS",
        senders=("skill",),
        receivers=("asr", "nlu", "dialogue"),
        summary="A running replica of a skill; a lease.",
    ),
    Channel(
        name="householdWords",
        address="$KV.HOUSEHOLD_WORDS.{household}.{skill}",
        message=household_pb2.HouseholdWords,
        stream="KV_HOUSEHOLD_WORDS",
        senders=("skill",),
        receivers=("asr", "nlu"),
        summary="What a household calls its things, as one skill knows it; changed by compare-and-set.",
    ),
)
