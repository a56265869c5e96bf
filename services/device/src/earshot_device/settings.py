"""What can be set on a device."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from earshot_audio import Encoding, Format
from earshot_device.identity import Identity


class DeviceSettings(BaseSettings):
    """Settings of one device, from arguments or from the environment with the prefix EARSHOT_DEVICE_.

    Times are in seconds, speeds in seconds of sound a second (`inf`: as fast as possible).
    """

    model_config = SettingsConfigDict(env_prefix="EARSHOT_DEVICE_", frozen=True)

    nats_url: str = "nats://127.0.0.1:4222"
    """Servers, comma separated."""
    nats_ca: Path | None = None
    """Authorities that sign the servers' certificates (PEM), where they speak TLS; None: the system's."""
    household_id: str
    device_id: str
    credentials: Path | None = None
    """NATS credentials file; None only for a server without authentication."""
    connect_timeout_s: float = Field(default=5.0, gt=0)
    locale: str = "en-US"
    lane: str = "stable"
    time_zone: str = "UTC"
    firmware_version: str = "reference/0.1.0"
    state_file: Path | None = None
    """Where decisions are kept over a restart; None: in memory."""

    interim_results: bool = False
    """Whether transcripts are wanted while somebody speaks, for a screen; the recogniser spends as much again on them."""
    capture_encoding: Encoding = Encoding.LINEAR16
    capture_rate: int = 16_000
    capture_speed: float = Field(default=1.0, gt=0)
    pre_roll_s: float = Field(default=0.2, ge=0, le=5)
    noise_floor_dbfs: float | None = -63.0
    """Noise that lies under samples and files and goes on after them; None: none."""
    trailing_silence_s: float = Field(default=4.0, ge=0)
    """How much silence follows a file before the device ends the utterance itself."""
    maximum_utterance_s: float = Field(default=60.0, gt=0)
    ring_bytes: int = Field(default=4 * 1024 * 1024, ge=64 * 1024)
    """How much of an utterance is kept until its turn is acknowledged."""

    playback_encoding: Encoding = Encoding.LINEAR16
    playback_rate: int = 24_000
    playback_speed: float = Field(default=1.0, gt=0)

    answer_timeout_s: float = Field(default=10.0, gt=0)
    """Time for an outcome after the end of speech: more than the cloud's own 8 s, so that its apology comes first."""
    segment_timeout_s: float = Field(default=8.0, gt=0)
    """Time for the next segment of an outcome."""
    speech_timeout_s: float = Field(default=6.0, gt=0)
    """Time for the next frame of speech."""
    apology_timeout_s: float = Field(default=2.0, gt=0)
    """Time for the first frame of the cloud's apology; then the device's own clip takes its place."""
    publish_patience_s: float = Field(default=12.0, ge=10)
    """How long the start of an utterance is repeated until a stream has it."""
    directives_every_s: float = Field(default=60.0, ge=1)
    """About how often a device whose connection stands asks for directives that did not come."""
    announcement_timeout_s: float = Field(default=4.5, gt=0)
    """Time until the words that come with a ring can be heard; then it just rings."""
    ring_for_s: float = Field(default=600.0, gt=0)
    """How long an occurrence rings at most before the device takes it as dismissed."""
    follow_up_timeout_s: float = Field(default=8.0, gt=0)
    """How long an answer may be followed up where the cloud does not say."""

    @property
    def identity(self) -> Identity:
        """Who the device is."""
        return Identity(household_id=self.household_id, device_id=self.device_id, credentials=self.credentials)

    @property
    def servers(self) -> tuple[str, ...]:
        """Addresses of the bus."""
        return tuple(part.strip() for part in self.nats_url.split(",") if part.strip())

    @property
    def capture_format(self) -> Format:
        """Format of the frames that go up."""
        return Format(encoding=self.capture_encoding, sample_rate_hertz=self.capture_rate)

    @property
    def playback_format(self) -> Format:
        """Format that the device wants to be answered in."""
        return Format(encoding=self.playback_encoding, sample_rate_hertz=self.playback_rate)
