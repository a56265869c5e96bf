"""A small synthesiser: enough arithmetic for the sample tunes. Samples are float32, shape (n,), about -1 to 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
RATE = 24_000

_RELEASE_S = 0.08
_PEAK = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note: MIDI pitch (60 is middle C), start and length in beats, loudness 0 to 1."""

    pitch: float
    start: float
    beats: float
    loudness: float = 0.6


Instrument = Callable[[float, NDArray[np.float32], np.random.Generator], Samples]
"""Sound of a frequency in hertz over moments in seconds; its own decay included, its end cut by the mixer."""


def _narrow(sound: Any) -> Samples:
    """Return samples as float32: arithmetic with numpy's own floats widens them."""
    return np.asarray(sound, np.float32)


def piano(hertz: float, time: Samples, _random: np.random.Generator) -> Samples:
    """Struck strings: partials that decay the faster the higher they are, slightly sharp as in stiff strings."""
    sound = np.zeros_like(time)
    for partial in range(1, 7):
        # Not numpy's root, whose type would widen the sound to float64, at three times the time.
        stretched = hertz * partial * math.sqrt(1 + 0.0004 * partial * partial)
        if stretched < RATE / 2:
            sound += np.sin(2 * np.pi * stretched * time) * np.exp(-time * (1.2 + 0.9 * partial)) / partial
    return _narrow(sound)


def music_box(hertz: float, time: Samples, _random: np.random.Generator) -> Samples:
    """A plucked comb: few partials, far apart."""
    sound = np.sin(2 * np.pi * hertz * time) * np.exp(-2.5 * time)
    for ratio, level, decay in ((2.76, 0.35, 7.0), (5.4, 0.12, 14.0)):
        if hertz * ratio < RATE / 2:
            sound += level * np.sin(2 * np.pi * hertz * ratio * time) * np.exp(-decay * time)
    return _narrow(sound)


def plucked(hertz: float, time: Samples, random: np.random.Generator) -> Samples:
    """A plucked string after Karplus and Strong: noise in a delay line, averaged at each pass."""
    period = max(2, int(RATE / hertz))
    passes = -(-len(time) // period)
    rows = np.empty((passes, period), np.float32)
    rows[0] = random.uniform(-1, 1, period)
    for line, following in pairwise(rows):
        # Each sample with the one before it; the line is a ring.
        np.add(line[1:], line[:-1], out=following[1:])
        following[0] = line[0] + line[-1]
        np.multiply(following, 0.498, out=following)
    return _narrow(rows.reshape(-1)[: len(time)])


def bass(hertz: float, time: Samples, _random: np.random.Generator) -> Samples:
    """An upright bass: a soft fundamental and its octave."""
    fundamental = np.sin(2 * np.pi * hertz * time) * np.exp(-1.8 * time)
    return _narrow(fundamental + 0.4 * np.sin(4 * np.pi * hertz * time) * np.exp(-4 * time))


def saw(hertz: float, time: Samples, _random: np.random.Generator) -> Samples:
    """Two detuned sawtooths of a few partials, as a synthesiser lead."""
    sound = np.zeros_like(time)
    for detune in (0.997, 1.003):
        for partial in range(1, 9):
            if hertz * detune * partial < RATE / 2:
                sound += np.sin(2 * np.pi * hertz * detune * partial * time) / partial
    return _narrow(0.5 * sound)


def pad(hertz: float, time: Samples, _random: np.random.Generator) -> Samples:
    """A slow, breathing chord sound."""
    swell = np.minimum(time / 0.4, 1.0) * (1 + 0.15 * np.sin(2 * np.pi * 4.5 * time))
    return _narrow(swell * (np.sin(2 * np.pi * hertz * time) + 0.3 * np.sin(4.01 * np.pi * hertz * time)))


def overdriven(hertz: float, time: Samples, random: np.random.Generator) -> Samples:
    """A plucked string through a clipping amplifier, with its fifth."""
    return _narrow(np.tanh(6 * (plucked(hertz, time, random) + plucked(hertz * 1.5, time, random))))


def kick(_hertz: float, time: Samples, _random: np.random.Generator) -> Samples:
    """A bass drum: a tone that falls."""
    return _narrow(np.sin(2 * np.pi * (45 * time + 9 * (1 - np.exp(-30 * time)) / 3)) * np.exp(-9 * time))


def snare(_hertz: float, time: Samples, random: np.random.Generator) -> Samples:
    """A snare drum: a short tone and noise."""
    noise = random.normal(0, 0.5, len(time))
    return _narrow((0.5 * np.sin(2 * np.pi * 180 * time) + noise) * np.exp(-18 * time))


def cymbal(_hertz: float, time: Samples, random: np.random.Generator) -> Samples:
    """A cymbal: bright noise."""
    return _narrow(np.diff(random.normal(0, 0.4, len(time) + 1)) * np.exp(-14 * time))


def mix(parts: list[tuple[Instrument, float, list[Note]]], *, beats_a_minute: float, seed: int) -> NDArray[np.int16]:
    """Return parts played together, mono int16 at RATE, shape (n,); the same for the same arguments.

    Args:
        parts: Instrument, its level, and its notes.
        beats_a_minute: Tempo.
        seed: Of everything that is random.
    """
    random = np.random.default_rng(seed)
    beat_s = 60 / beats_a_minute
    end = max(note.start + note.beats for _, _, notes in parts for note in notes) * beat_s + 1.0
    track = np.zeros(int(end * RATE), np.float32)
    for instrument, level, notes in parts:
        for note in notes:
            begin = int(note.start * beat_s * RATE)
            sound = _sounded(instrument, note, note.beats * beat_s, random)
            track[begin : begin + len(sound)] += level * note.loudness * sound[: len(track) - begin]
    track *= _PEAK / max(1e-6, float(np.abs(track).max()))
    return np.rint(track * np.iinfo(np.int16).max).astype(np.int16)


def _sounded(instrument: Instrument, note: Note, seconds: float, random: np.random.Generator) -> Samples:
    count = int((seconds + _RELEASE_S) * RATE)
    time = _narrow(np.arange(count, dtype=np.float32) / RATE)
    hertz = 440.0 * 2 ** ((note.pitch - 69) / 12)
    edge = np.minimum(np.minimum(time / 0.004, (time[-1] - time) / _RELEASE_S), 1.0)
    return _narrow(instrument(hertz, time, random) * edge)
