"""Where the frames of an utterance come from: the bus, or a gRPC call."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from earshot_asr.assembly import Frame


class Ending(Enum):
    """Why no frame will come any more."""

    DEVICE = auto()
    """The device or the client has ended the utterance."""
    LOST = auto()
    """Frames stopped coming."""
    TOO_LARGE = auto()
    """There are more bytes than one utterance may have."""


class FrameSource(Protocol):
    """Hands out the frames of one utterance in order."""

    async def next(self) -> list[Frame] | Ending:
        """Wait for more; return the frames that have come since the last call, or why none will come any more."""
        ...
