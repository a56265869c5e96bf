"""Settings of the dialogue service, read from EARSHOT_DIALOGUE_* variables by the composition root."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from earshot_dialogue.core.policy import Limits

_LIMITS = Limits()


class DialogueSettings(BaseSettings):
    """What differs between deployments."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_DIALOGUE_", frozen=True, extra="ignore")

    turns: int = Field(32, ge=1, description="Turns that one replica decides at once.")
    events: int = Field(16, ge=1, description="Device events, and starts, that one replica handles at once.")
    session_idle_s: float = Field(60.0, gt=0, description="How long a session outlives its last turn.")
    answer_within_s: float = Field(8.0, gt=0, description="From end of speech, or text, to a turn's deadline.")
    maximum_utterance_s: float = Field(30.0, gt=0, description="Longest utterance that is allowed for.")
    converse_grace_s: float = Field(2.0, gt=0, description="How long Converse waits beyond the deadline.")
    listen_s: float = Field(8.0, gt=0, description="How long the microphone stays open for a reply.")
    minimum_confidence: float = Field(
        _LIMITS.minimum_confidence, ge=0, le=1, description="A hypothesis below it is not acted on."
    )
    switch_confidence: float = Field(
        _LIMITS.switch_confidence, ge=0, le=1, description="Sureness that changes the subject behind a question."
    )
    announcements_per_minute: int = Field(
        30, ge=0, description="Announcements of a household that one replica makes in a minute; 0: any number."
    )
    maximum_asks: int = Field(_LIMITS.maximum_asks, ge=1, description="How often one slot is asked for.")

    def limits(self) -> Limits:
        """Return the policy's limits."""
        return Limits(
            minimum_confidence=self.minimum_confidence,
            switch_confidence=self.switch_confidence,
            maximum_asks=self.maximum_asks,
        )

    def speech_deadline(self) -> timedelta:
        """Return the time from an utterance's start to the deadline of a turn that is never heard of again."""
        return timedelta(seconds=self.maximum_utterance_s + self.answer_within_s)
