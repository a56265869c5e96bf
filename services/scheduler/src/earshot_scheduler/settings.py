"""Settings of the scheduler, read from EARSHOT_SCHEDULER_* variables by the composition root."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from earshot_scheduler.core.changes import Limits


class SchedulerSettings(BaseSettings):
    """What differs between deployments."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_SCHEDULER_", frozen=True, extra="ignore")

    late_after_s: float = Field(60.0, gt=0, description="A ringing that is later says when it was due.")
    # Directives are kept for a day.
    maximum_age_s: float = Field(3600.0, gt=0, le=86_400, description="What is later than that does not ring any more.")
    horizon_days: int = Field(730, ge=1, le=3_650, description="How far ahead something may be set.")
    household_limit: int = Field(200, ge=1, le=500, description="Schedules that a household may have.")
    # A bucket is read 1,024 keys at a time.
    household_records: int = Field(
        800, ge=1, le=1_000, description="The same with those that are over and still kept for repeated requests."
    )
    over_kept_s: int = Field(
        86_400, ge=60, description="How long what is over, or rings for the last time, is kept for repeated requests."
    )
    # Twice as many are in a replica's hands: few, because they are late when it dies, and ready long before their ack wait.
    batch: int = Field(64, ge=1, le=1_000, description="Due messages that are handled together.")

    def limits(self) -> Limits:
        """Return what may be set."""
        return Limits(horizon=timedelta(days=self.horizon_days))

    @property
    def late_after(self) -> timedelta:
        """See late_after_s."""
        return timedelta(seconds=self.late_after_s)

    @property
    def maximum_age(self) -> timedelta:
        """See maximum_age_s."""
        return timedelta(seconds=self.maximum_age_s)
