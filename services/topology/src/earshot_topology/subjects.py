"""Every subject on the bus, and how to build a concrete one.

Household, device, turn, locale and lane are single NATS tokens; `token` refuses anything else, so that an id can
never widen a subject. Subjects that a device may use begin with device.<household>.<device>: its permissions do too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Where skills ask JetStream. In an account that has none, the server takes what is said to $JS.API to be its own and refuses it.
SKILLS_API = "$JS.SKILLS.API"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class InvalidTokenError(ValueError):
    """An id can't stand in a subject: it is empty, too long, or holds a character other than A-Z a-z 0-9 _ -."""


def token(value: str) -> str:
    """Return value if it can be one token of a subject.

    Raises:
        InvalidTokenError: It can't.
    """
    if _TOKEN.fullmatch(value) is None:
        message = f"not a valid id: {value[:80]!r}"
        raise InvalidTokenError(message)
    return value


class DeviceAddress(NamedTuple):
    """A device as its subjects name it: the only source of household and device that a service believes."""

    household: str
    device: str

    @classmethod
    def of(cls, subject: str) -> DeviceAddress:
        """Read the address from a subject that begins with device.<household>.<device>.

        Raises:
            InvalidTokenError: The subject is not a device's.
        """
        parts = subject.split(".", 3)
        if len(parts) != 4 or parts[0] != "device":
            message = f"not a device subject: {subject[:120]!r}"
            raise InvalidTokenError(message)
        return cls(token(parts[1]), token(parts[2]))

    def _root(self) -> str:
        return f"device.{token(self.household)}.{token(self.device)}"

    # What the device publishes.

    def started(self, locale: str, lane: str) -> str:
        """UtteranceStarted."""
        return f"{self._root()}.up.started.{token(locale)}.{token(lane)}"

    def audio(self, turn: str) -> str:
        """AudioFrame."""
        return f"{self._root()}.up.audio.{token(turn)}"

    def event(self) -> str:
        """DeviceEvent."""
        return f"{self._root()}.up.event"

    def ring(self) -> str:
        """DeviceEvent that tells of ringing: the scheduler's."""
        return f"{self._root()}.up.ring"

    def directives(self) -> str:
        """DirectivesRequest, a request."""
        return f"{self._root()}.up.directives"

    def announce(self) -> str:
        """AnnouncementRequest, a request."""
        return f"{self._root()}.up.announce"

    def backfill(self) -> str:
        """BackfillRequest, a request."""
        return f"{self._root()}.up.backfill"

    def resume(self) -> str:
        """UploadStatusRequest, a request."""
        return f"{self._root()}.up.resume"

    def outcome_status(self) -> str:
        """OutcomeStatusRequest, a request."""
        return f"{self._root()}.up.outcome"

    # What the device hears.

    def recognition(self) -> str:
        """RecognitionUpdate."""
        return f"{self._root()}.down.recognition"

    def outcome(self, turn: str) -> str:
        """Outcome, republished by the server from turn.outcome."""
        return f"{self._root()}.down.outcome.{token(turn)}"

    def speech(self, turn: str) -> str:
        """SpeechFrame."""
        return f"{self._root()}.down.speech.{token(turn)}"

    def directive(self) -> str:
        """Directive that is not part of an outcome."""
        return f"{self._root()}.down.directive"

    def error(self) -> str:
        """DeviceError."""
        return f"{self._root()}.down.error"

    def turn_outcome(self, turn: str) -> str:
        """Outcome, where it is claimed."""
        return f"turn.outcome.{self.turn_key(turn)}"

    def deadline_arm(self, turn: str) -> str:
        """TurnDeadline: where a turn's deadline is armed, moved (publish again) and cancelled (purge)."""
        return f"turn.deadline.arm.{self.turn_key(turn)}"

    def turn_key(self, turn: str) -> str:
        """Name a turn where turns of every household meet. Devices choose turn ids, so two of them may choose the same."""
        return f"{token(self.household)}.{token(self.device)}.{token(turn)}"


def locale_and_lane(subject: str) -> tuple[str, str]:
    """Read locale and lane from a concrete started subject."""
    parts = subject.split(".")
    if len(parts) != 7:
        message = f"not a started subject: {subject[:120]!r}"
        raise InvalidTokenError(message)
    return parts[5], parts[6]


def turn_of(subject: str) -> str:
    """Read the turn from a concrete audio, speech or outcome subject: its last token."""
    return token(subject.rsplit(".", 1)[-1])


# Events between services. No ids in these: they are span names and metric labels.
TURN_TRANSCRIBED = "turn.transcribed"
TURN_INTERPRETED = "turn.interpreted"
TURN_DEADLINE_DUE = "turn.deadline.due"
SCHEDULE_DUE = "schedule.due"
TURN_FILLER = "turn.filler"
TURN_SPEECH_CANCELLED = "turn.speech_cancelled"
TURN_OWNED = "turn.owned"


def schedule_arm(household: str, schedule: str, revision: int, due_ms: int) -> str:
    """OccurrenceDue: where one revision of a schedule is armed and cancelled (purge).

    With the moment in it, two replicas that arm different moments at the same revision do not overwrite each other.
    """
    return f"schedule.arm.{token(household)}.{token(schedule)}.{revision}-{due_ms}"


def quota(household: str, window: int, counted: str) -> str:
    """Where something of a household is counted, in one window of time."""
    return f"quota.{token(household)}.{window}.{token(counted)}"


def parked(service: str, household: str = "*") -> str:
    """Where a service parks what it can't process; of all households unless one is given."""
    return f"parked.{token(service)}.{household if household == '*' else token(household)}"
