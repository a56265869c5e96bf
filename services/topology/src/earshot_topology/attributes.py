"""Every span attribute that Earshot sets itself. A test fails on an attribute that is not declared here.

Names follow OpenTelemetry's rules; what is general (messaging.*, rpc.*, error.type) is OpenTelemetry's own, what is
about a turn begins with voice. A name with a `pii` segment holds what a user said or heard: it is recorded only where
EARSHOT_TRACE_PII is set.
"""

from __future__ import annotations

from typing import Final

TURN_ID: Final = "voice.turn.id"
TURN_KIND: Final = "voice.turn.outcome"
TURN_INDEX: Final = "voice.turn.index"
TURN_MODALITY: Final = "voice.turn.modality"
SESSION_ID: Final = "voice.session.id"
HOUSEHOLD_ID: Final = "voice.household.id"
DEVICE_ID: Final = "voice.device.id"
LOCALE: Final = "voice.locale"
OUTCOME_ID: Final = "voice.outcome.id"
OWNER_EPOCH: Final = "voice.owner_epoch"
INTENT: Final = "voice.intent"
INTENT_CONFIDENCE: Final = "voice.intent.confidence"
SKILL_ID: Final = "voice.skill.id"
SKILL_VERSION: Final = "voice.skill.version"
SKILL_ATTEMPT: Final = "voice.skill.attempt"
REGISTRY_REVISION: Final = "voice.registry.revision"
ENGINE: Final = "voice.engine"
ENGINE_REVISION: Final = "voice.engine.revision"
RECOGNIZER: Final = "voice.nlu.recognizer"
HYPOTHESIS_COUNT: Final = "voice.nlu.hypotheses"
AUDIO_SECONDS: Final = "voice.audio.duration_s"
ENDPOINT_REASON: Final = "voice.asr.endpoint_reason"
END_OF_SPEECH_SECONDS: Final = "voice.asr.end_of_speech_s"
CONFIDENCE: Final = "voice.asr.confidence"
BACKFILLED_FRAMES: Final = "voice.asr.backfilled_frames"
BUSY_SECONDS: Final = "voice.asr.busy_s"
INTERIM_COUNT: Final = "voice.asr.interim_count"
REJECTION: Final = "voice.asr.rejection"
SENTENCE_COUNT: Final = "voice.tts.sentences"
CACHE_HITS: Final = "voice.tts.cache_hits"
FRAME_COUNT: Final = "voice.tts.frames"
RESUMED_AT: Final = "voice.tts.resumed_at"
CANCELLED: Final = "voice.tts.cancelled"
# What a segment's time went into: from its outcome's storage to the first frame that left; waiting for the segment before it;
# waiting for sound to be made; holding made sound back, because the device has enough in hand.
TIME_TO_FIRST_FRAME: Final = "voice.tts.first_frame_s"
QUEUED_SECONDS: Final = "voice.tts.queued_s"
SYNTHESIS_SECONDS: Final = "voice.tts.synthesis_s"
PACED_SECONDS: Final = "voice.tts.paced_s"
# From the end of speech to the first sample of the answer at the loudspeaker, by the device's word.
TIME_TO_FIRST_AUDIO: Final = "voice.first_audio_s"
CONCEALED_FRAMES: Final = "voice.device.concealed_frames"
SCHEDULE_KIND: Final = "voice.schedule.kind"
OCCURRENCE_ID: Final = "voice.schedule.occurrence_id"
SCHEDULE_LATE: Final = "voice.schedule.late_s"
SCHEDULE_MISSED: Final = "voice.schedule.missed"
ERROR_CODE: Final = "error.type"

# A span that another process drew, for one that could not send its own.
RECONSTRUCTED: Final = "earshot.reconstructed"
# The attempt that a span belongs to, from its trace state: what it hangs on where its own parent was never sent.
ATTEMPT: Final = "earshot.attempt.id"
TAKEOVER: Final = "earshot.attempt.takeover"
SILENT_SECONDS: Final = "earshot.attempt.silent_s"
# How an attempt ended that was drawn by another process, where it can't tell that it was lost.
ATTEMPT_END: Final = "earshot.attempt.end"
DEADLINE_RESULT: Final = "voice.deadline.result"
DEADLINE_FOR: Final = "voice.deadline.waiting_for"
DEADLINE_IN: Final = "voice.deadline.in_s"

PII_TRANSCRIPT: Final = "voice.pii.transcript"
PII_SLOTS: Final = "voice.pii.slots"
PII_ANSWER: Final = "voice.pii.answer"

MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_OPERATION: Final = "messaging.operation.type"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
MESSAGING_CONSUMER_GROUP: Final = "messaging.consumer.group.name"
MESSAGING_MESSAGE: Final = "messaging.message.id"
MESSAGING_DELIVERY_COUNT: Final = "messaging.nats.delivery_count"
MESSAGING_AGE: Final = "messaging.nats.message_age_s"
RPC_SYSTEM: Final = "rpc.system"
RPC_METHOD: Final = "rpc.method"
SERVER_ADDRESS: Final = "server.address"
RPC_STATUS: Final = "rpc.grpc.status_code"

DECLARED: Final[frozenset[str]] = frozenset(
    value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str)
)
