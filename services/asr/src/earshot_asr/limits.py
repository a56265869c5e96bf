"""How much of one utterance a worker accepts: no device can make it hold more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one utterance.

    Attributes:
        frame_bytes: Longest payload of a frame; the capture stream refuses more than 64 KiB.
        waiting_frames: Frames that may wait behind a gap; later ones are dropped and come back by backfill.
        waiting_bytes: Bytes that may wait, taken or not.
        bytes: Bytes of one utterance: twenty seconds of 48 kHz stereo PCM are less than half.
        frames: Frames of one utterance, 10 ms each at the shortest: what is longer only holds a place.
    """

    frame_bytes: int = 48 * 1024
    waiting_frames: int = 3_000
    waiting_bytes: int = 8 << 20
    bytes: int = 8 << 20
    frames: int = 12_000


DEFAULT_LIMITS = Limits()
