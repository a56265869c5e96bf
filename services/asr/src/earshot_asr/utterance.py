"""What is known of an utterance when it begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from earshot_asr.engines.base import Locale
from earshot_audio import Format

TurnId = NewType("TurnId", str)
"""UUIDv7 made at the edge; also the utterance's id."""

Epoch = NewType("Epoch", int)
"""Which delivery of the start event its owner holds; higher wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """An utterance that can be recognised.

    Attributes:
        turn_id: Its id.
        epoch: The owner's.
        locale: BCP-47, taken from the subject.
        audio_format: Of its frames.
        skip_s: Seconds at the start that hold the wake word and are not recognised.
        interim_results: Whether its device shows them.
    """

    turn_id: TurnId
    epoch: Epoch
    locale: Locale
    audio_format: Format
    skip_s: float = 0.0
    interim_results: bool = True
