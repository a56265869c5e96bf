"""Speech that can be checked to the frame: 40 ms of it name the sentence, their place in it and how long it is.

    | mark (2) | place | count | length | the sentence in UTF-8, one byte a sample | a pattern that follows from all of it |

`speak` is what the chaos voice says; `listen` makes sense of what a loudspeaker played. Sound that is cut, doubled,
reordered or silent in the middle does not come out as whole sentences.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

RATE: Final = 16_000
CELL: Final = 640
CELL_S: Final = CELL / RATE
_MARK: Final = (-12_321, 21_212)
_HEAD: Final = len(_MARK) + 3
_FIRST_IDEOGRAPH: Final = "\u2e80"
MOST_BYTES: Final = CELL - _HEAD - 16


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of speech.

    Attributes:
        text: What it says.
        cells: Places that were heard, in the order they were.
        count: How many there should be.
    """

    text: str
    cells: tuple[int, ...]
    count: int

    @property
    def whole(self) -> bool:
        """Whether every part of it was heard once, in order."""
        return self.cells == tuple(range(self.count))


@dataclass(frozen=True, slots=True)
class Silence:
    """Digital silence, in samples: something was missing, and the device went on without it."""

    count: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound that the device makes by itself: "apology" or "ring"."""

    name: str


@dataclass(frozen=True, slots=True)
class Noise:
    """Anything else, in samples: broken speech."""

    count: int


Sound = Sentence | Silence | Clip | Noise


def cells_of(text: str) -> int:
    """Return how long a sentence sounds, in cells."""
    seconds = sum(0.06 if character < _FIRST_IDEOGRAPH else 0.25 for character in text)
    return max(1, round(seconds / CELL_S))


def speak(text: str) -> Iterator[Samples]:
    """Yield the cells of a sentence.

    Raises:
        ValueError: It is too long to name itself.
    """
    encoded = np.frombuffer(text.encode(), np.uint8).astype(np.int16)
    if len(encoded) > MOST_BYTES:
        message = f"a sentence of {len(encoded)} bytes is too long"
        raise ValueError(message)
    count = cells_of(text)
    for place in range(count):
        yield _cell(encoded, place, count)


def listen(samples: Samples, clips: dict[str, Samples] | None = None) -> list[Sound]:
    """Make sense of what was played.

    Args:
        samples: What was played, end to end.
        clips: Sounds that a device makes by itself, by name.
    """
    found: list[Sound] = []
    place = 0
    while place < len(samples):
        sound, length = _next(samples[place:], clips or {})
        place += length
        _join(found, sound)
    return found


def _cell(encoded: Samples, place: int, count: int) -> Samples:
    cell = np.empty(CELL, np.int16)
    head = np.array([*_MARK, place, count, len(encoded)], np.int16)
    cell[:_HEAD] = head
    end = _HEAD + len(encoded)
    cell[_HEAD:end] = encoded
    seed = zlib.crc32(head.tobytes() + encoded.tobytes())
    cell[end:] = (np.arange(CELL - end, dtype=np.uint64) * 40_503 + seed) % 8_000 - 4_000
    return cell


def _next(samples: Samples, clips: dict[str, Samples]) -> tuple[Sound, int]:
    cell = _read(samples)
    if cell is not None:
        return cell, CELL
    for name, clip in clips.items():
        # Without the silence at its ends, which can't be told from other silence.
        sounding = np.trim_zeros(clip)
        if np.array_equal(samples[: len(sounding)], sounding):
            return Clip(name), len(sounding)
    if samples[0] == 0:
        length = _until(samples != 0)
        return Silence(length), length
    length = _until((samples == 0) | (samples == _MARK[0]))
    return Noise(length), length


def _until(found: NDArray[np.bool_]) -> int:
    places = np.flatnonzero(found[1:])
    return int(places[0]) + 1 if len(places) else len(found)


def _join(found: list[Sound], sound: Sound) -> None:
    last = found[-1] if found else None
    if isinstance(sound, Sentence) and isinstance(last, Sentence) and not (last.whole and sound.cells == (0,)):
        if (last.text, last.count) == (sound.text, sound.count):
            found[-1] = Sentence(last.text, last.cells + sound.cells, last.count)
            return
    elif isinstance(sound, Noise) and isinstance(last, Noise):
        found[-1] = Noise(last.count + sound.count)
        return
    found.append(sound)


def _read(samples: Samples) -> Sentence | None:
    if len(samples) < CELL or tuple(samples[: len(_MARK)]) != _MARK:
        return None
    place, count, length = (int(value) for value in samples[len(_MARK) : _HEAD])
    if not (0 <= place < count and 0 < length <= MOST_BYTES):
        return None
    encoded = samples[_HEAD : _HEAD + length]
    if not np.array_equal(samples[:CELL], _cell(encoded, place, count)):
        return None
    return Sentence(encoded.astype(np.uint8).tobytes().decode(), (place,), count)
