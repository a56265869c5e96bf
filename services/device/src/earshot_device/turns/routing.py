"""What the cloud sends, read and handed to the turn or the part that it is for.

Nothing that comes down may end the device: what can't be read is counted by kind and dropped, and so is what belongs to
no turn in progress.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from earshot_chassis import telemetry
from earshot_device.bus import wire
from earshot_device.core.directives import Directive
from earshot_device.core.ids import TurnId
from earshot_device.core.outcome import OutcomeSegment, SpeechFrame
from earshot_device.core.recognition import CloudError, RecognitionUpdate
from earshot_device.errors import MalformedMessageError
from earshot_topology.subjects import InvalidTokenError, turn_of

_KIND = 4

_log = telemetry.logger("device.routing")

Observer = Callable[[RecognitionUpdate | OutcomeSegment], None]


class Run(Protocol):
    """A turn in progress. Each method takes what came for it; False: it was dropped."""

    def recognised(self, recognised: RecognitionUpdate) -> bool:
        """Take an update of the recogniser."""
        ...

    def decided(self, segment: OutcomeSegment) -> bool:
        """Take a segment of an outcome."""
        ...

    def spoken(self, frame: SpeechFrame) -> None:
        """Take a frame of the answer."""
        ...

    def refused(self, error: CloudError) -> None:
        """Take an error about it."""
        ...


class Router:
    """Knows the turns in progress.

    Args:
        directed: Called with each directive outside an outcome.
        observe: Called with each recognition update and outcome segment that was accepted.
    """

    def __init__(self, *, directed: Callable[[Directive], None], observe: Observer | None = None) -> None:
        self.runs: dict[TurnId, Run] = {}
        self.dropped: Counter[str] = Counter()
        self._directed = directed
        self._observe = observe

    def receive(self, subject: str, payload: bytes) -> None:
        """Take a message of device.<household>.<device>.down.>; never raises for what it holds."""
        parts = subject.split(".")
        kind = parts[_KIND] if len(parts) > _KIND else ""
        try:
            self._route(kind, subject, payload)
        except (MalformedMessageError, InvalidTokenError):
            self.dropped["malformed"] += 1
            _log.warning("malformed_message", kind=kind, size=len(payload))

    def _route(self, kind: str, subject: str, payload: bytes) -> None:
        match kind:
            case "recognition":
                self._recognised(wire.recognition_update(payload))
            case "outcome":
                self._decided(subject, wire.outcome(payload))
            case "speech":
                frame = wire.speech_frame(payload)
                run = self._run(_same_turn(subject, frame.turn_id))
                if run is not None:
                    run.spoken(frame)
            case "directive":
                self._directed(wire.directive(payload))
            case "error":
                turn_id, error = wire.device_error(payload)
                run = self._run(turn_id)
                if run is not None:
                    run.refused(error)
            case _:
                self.dropped["unknown"] += 1

    def _recognised(self, recognised: RecognitionUpdate) -> None:
        run = self._run(recognised.turn_id)
        if run is None:
            return
        if not run.recognised(recognised):
            self.dropped["stale"] += 1
        elif self._observe is not None:
            self._observe(recognised)

    def _decided(self, subject: str, segment: OutcomeSegment) -> None:
        run = self._run(_same_turn(subject, segment.turn_id))
        if run is None:
            return
        if not run.decided(segment):
            self.dropped["outcome"] += 1
        elif self._observe is not None:
            self._observe(segment)

    def _run(self, turn_id: TurnId) -> Run | None:
        run = self.runs.get(turn_id)
        if run is None:
            self.dropped["late"] += 1
        return run


def _same_turn(subject: str, turn_id: TurnId) -> TurnId:
    if turn_of(subject) != turn_id:
        raise MalformedMessageError("subject and payload name different turns")
    return turn_id
