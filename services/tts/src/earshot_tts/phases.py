"""What a segment's time goes into, as spans below its own.

    tts.speak ─┬─ tts.synthesize    until its first frame has left: what the user waits for
               └─ tts.pace          until its last one has: sent ahead of what the device plays, nobody waits for it

Sentences after the first are made within `tts.pace`, when the pace wants them. How long sound was waited for in all, and how
long it was held back, are attributes of `tts.speak`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from earshot_chassis import telemetry
from earshot_chassis.errors import code_of

SYNTHESIS: Final = "tts.synthesize"
PACE: Final = "tts.pace"


class Phases:
    """The spans of one segment: entered when its sound is asked for, left when its last frame has left."""

    def __enter__(self) -> Self:
        """Begin to wait for sound."""
        self._current = telemetry.start_span(SYNTHESIS)
        return self

    def sounding(self) -> None:
        """Say that the first frame has left."""
        self._current.end()
        self._current = telemetry.start_span(PACE)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is going on; an error is that one's."""
        if isinstance(error, Exception):
            telemetry.fail(self._current, code_of(error))
        self._current.end()
