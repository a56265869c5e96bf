"""What virtual users say: audio that names its own words, then noise that no two utterances share.

    | mark (2 samples) | length | length | words | who says them | noise … |        UTF-8, one byte a sample

The recogniser reads the words and puts the digest of every sample into them: one frame that is missing, doubled, out of
order or of another utterance makes other words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chaos.codewords import heard

Samples = NDArray[np.int16]

RATE: Final = 16_000
_FRAME: Final = 640
_MARK: Final = (12_345, -23_456)
_HEAD: Final = len(_MARK) + 2
_MOST_BYTES: Final = 200


class NoWordsError(ValueError):
    """The audio does not begin with words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One utterance.

    Attributes:
        samples: 16 kHz, a whole number of the device's frames.
        transcript: What a recogniser that got every sample in order hears.
    """

    samples: Samples
    transcript: str


def utterance(template: str, locale: str, *, seconds: float, seed: int, by: str = "") -> Utterance:
    """Return an utterance that says a template.

    Args:
        template: Words, with `{digest}` where the digest goes.
        locale: Of the digest's words.
        seconds: Its length, made up to whole frames.
        seed: Makes its noise.
        by: Who says it.
    """
    words, speaker = template.encode(), by.encode()
    if len(words) + len(speaker) > _MOST_BYTES:
        message = f"{len(words) + len(speaker)} bytes of words are too many"
        raise ValueError(message)
    samples = np.random.default_rng(seed).integers(-3000, 3000, max(1, round(seconds * RATE / _FRAME)) * _FRAME)
    samples = samples.astype(np.int16)
    head = np.array([*_MARK, len(words), len(speaker), *words, *speaker], np.int16)
    samples[: len(head)] = head
    # A device that is told when to end by its source sends one more frame, of silence, to mark the last.
    sent = np.concatenate([samples, np.zeros(_FRAME, np.int16)]).tobytes()
    return Utterance(samples=samples, transcript=heard(template, sent, locale))


def beginning_of(pcm: bytes) -> tuple[str, str]:
    """Read the words of an utterance, and who says them.

    Raises:
        NoWordsError: There are none: its beginning is missing.
    """
    samples = np.frombuffer(pcm[: 2 * (_HEAD + _MOST_BYTES)], np.int16)
    if len(samples) < _HEAD or tuple(samples[: len(_MARK)]) != _MARK:
        raise NoWordsError("the audio does not begin with words")
    words, speaker = (int(length) for length in samples[len(_MARK) : _HEAD])
    text = samples[_HEAD : _HEAD + words + speaker].astype(np.uint8).tobytes()
    return text[:words].decode(), text[words:].decode()
