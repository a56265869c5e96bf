"""Settings of the recogniser, read from EARSHOT_ASR_* variables when the composition root asks for them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from earshot_asr.endpointing import EndpointingRules
from earshot_asr.limits import DEFAULT_LIMITS, Limits
from earshot_asr.quota import QuotaRules
from earshot_asr.upload import UploadRules

_RULES = EndpointingRules()
_UPLOAD = UploadRules()
_QUOTA = QuotaRules()


class AsrSettings(BaseSettings):
    """What differs between deployments; engines have settings of their own."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_ASR_", frozen=True, extra="ignore", populate_by_name=True)

    vad: Literal["silero", "engine", "none"] = Field(
        "silero",
        description="What finds the end of speech: a voice activity detector; the recognition engine; the device alone.",
    )
    tts_target: str = Field(
        "",
        validation_alias="EARSHOT_TTS_TARGET",
        description="gRPC target of the synthesiser, asked for words that no dictionary has; empty: rules say them.",
    )
    utterances: int = Field(32, ge=1, description="Utterances from the bus that one worker owns at once.")
    calls: int = Field(16, ge=1, description="Recognize calls that one worker serves at once.")
    attempts: int = Field(5, ge=1, le=8, description="Deliveries after which a retryable error becomes the answer.")
    deadline_s: float = Field(8.0, gt=0, description="Time from end of speech to the turn's deadline.")

    speech_threshold: float = Field(_RULES.speech_threshold, gt=0, le=1, description="Probability that is speech.")
    silence_threshold: float = Field(
        _RULES.silence_threshold, gt=0, le=1, description="Probability below which it is silence."
    )
    minimum_speech_s: float = Field(_RULES.minimum_speech_s, ge=0, description="Shorter speech is noise.")
    minimum_silence_s: float = Field(_RULES.minimum_silence_s, gt=0, description="Silence that ends an utterance.")
    maximum_silence_s: float = Field(
        _RULES.maximum_silence_s, gt=0, description="Silence that ends an utterance with little speech."
    )
    no_speech_timeout_s: float = Field(_RULES.no_speech_timeout_s, gt=0, description="Silence that ends listening.")
    maximum_length_s: float = Field(_RULES.maximum_length_s, gt=0, description="Longest utterance.")

    acknowledge_s: float = Field(_UPLOAD.acknowledge_s, gt=0, description="How often an upload is acknowledged.")
    repair_after_s: float = Field(_UPLOAD.repair_after_s, gt=0, description="Wait before the capture is asked.")
    give_up_s: float = Field(_UPLOAD.give_up_s, gt=0, description="Wait before a missing frame is given up.")
    lost_s: float = Field(_UPLOAD.lost_s, gt=0, description="Wait before an upload counts as lost.")

    utterance_bytes: int = Field(DEFAULT_LIMITS.bytes, gt=0, description="Most bytes of one utterance.")
    quota_window_s: float = Field(_QUOTA.window_s, gt=0, le=120, description="Time in which a household is counted.")
    quota_utterances: int = Field(
        _QUOTA.utterances, ge=0, description="Utterances of a household in that time; 0: any number."
    )
    quota_concurrent: int = Field(
        _QUOTA.concurrent, ge=0, description="Utterances of a household at once; 0: any number."
    )
    quota_bytes: int = Field(
        _QUOTA.bytes, ge=0, description="Bytes of audio of a household in that time; 0: any number."
    )
    quota_spoken: int = Field(
        _QUOTA.spoken, ge=0, description="Refusals in that time that a household hears; others end in silence."
    )

    def quota(self) -> QuotaRules:
        """Return what one household may use."""
        return QuotaRules(
            utterances=self.quota_utterances,
            concurrent=self.quota_concurrent,
            bytes=self.quota_bytes,
            spoken=self.quota_spoken,
            window_s=self.quota_window_s,
        )

    def limits(self) -> Limits:
        """Return the bounds of one utterance."""
        return Limits(bytes=self.utterance_bytes)

    def endpointing(self) -> EndpointingRules:
        """Return the endpointer's rules.

        Raises:
            ValueError: They contradict each other.
        """
        return EndpointingRules(
            speech_threshold=self.speech_threshold,
            silence_threshold=self.silence_threshold,
            minimum_speech_s=self.minimum_speech_s,
            minimum_silence_s=self.minimum_silence_s,
            maximum_silence_s=self.maximum_silence_s,
            no_speech_timeout_s=self.no_speech_timeout_s,
            maximum_length_s=self.maximum_length_s,
        )

    def upload(self) -> UploadRules:
        """Return the rules of uploads."""
        return UploadRules(
            acknowledge_s=self.acknowledge_s,
            repair_after_s=self.repair_after_s,
            give_up_s=self.give_up_s,
            lost_s=self.lost_s,
        )
