"""Recordings of the optional data folder, read in place."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE = 16_000
LONGEST_S = 20.0
"""An utterance is not longer in the product; of longer recordings the beginning is heard."""
# A question about the weather, and an order for coffee: to understand them is no false acceptance.
_FOR_US = frozenset({"en/agents_weather_question.flac", "en/rhino_test_within_context.flac"})

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording.

    Attributes:
        name: Its path below the speech folder.
        path: Where it lies.
        transcript: What is said; empty where nobody wrote it down.
        slots: What a command means.
    """

    name: str
    path: Path
    transcript: str
    slots: dict[str, str] = field(default_factory=dict)

    def samples(self) -> Samples:
        """Return its samples at 16 kHz, mono, from -1 to 1."""
        read, rate = soundfile.read(self.path, dtype="float32", always_2d=True)
        mono: Samples = read.mean(axis=1)
        if rate != RATE:
            mono = soxr.resample(mono, rate, RATE)
        return mono[: int(LONGEST_S * RATE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """The clips that the figures are of.

    Attributes:
        commands: Coffee commands with their slots.
        other: Speech that is for nobody: sentences, wake words.
        mandarin: Mandarin with transcripts.
        noise: Kitchen noise.
        grammar: The coffee commands' grammar.
    """

    commands: tuple[Clip, ...]
    other: tuple[Clip, ...]
    mandarin: tuple[Clip, ...]
    noise: Path
    grammar: Path


def read_recordings(speech: Path) -> Recordings:
    """Read the manifest."""
    with (speech / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    clips = {row["file"]: _clip(speech, row) for row in rows}

    def below(*folders: str) -> tuple[Clip, ...]:
        return tuple(clip for name, clip in sorted(clips.items()) if name.startswith(folders) and name not in _FOR_US)

    return Recordings(
        commands=tuple(clip for clip in below("s2i/") if clip.slots),
        other=below("en/", "wake/"),
        mandarin=tuple(clip for clip in below("zh/") if clip.transcript and "(" not in clip.transcript),
        noise=speech / "noise" / "kitchen.flac",
        grammar=speech / "s2i" / "coffee_maker.yaml",
    )


def _clip(speech: Path, row: dict[str, str]) -> Clip:
    _, labelled, labels = row["note"].partition("labels: ")
    return Clip(
        name=row["file"],
        path=speech / row["file"],
        transcript=row["transcript"],
        slots=json.loads(labels) if labelled else {},
    )


def mixed(speech: Samples, noise: Samples, snr_db: float, seed: int) -> Samples:
    """Return speech in noise, both measured where they are loudest, as the published comparison does.

    Args:
        speech: The clip.
        noise: Longer than the clip.
        snr_db: Energy of the loudest 128 ms of speech over that of noise.
        seed: Which stretch of noise.
    """
    start = int(np.random.default_rng(seed).integers(0, len(noise) - len(speech)))
    stretch = noise[start : start + len(speech)]
    gain = np.sqrt(_loudest(speech) / (_loudest(stretch) * 10 ** (snr_db / 10)))
    sum_ = speech + gain * stretch
    return sum_ / (2 * np.abs(sum_).max())


def _loudest(samples: Samples) -> float:
    count = len(samples) // 2048
    return float((samples[: count * 2048].reshape(count, 2048) ** 2).sum(axis=1).max())


def to_pcm(samples: Samples) -> bytes:
    """Return 16-bit PCM."""
    return (samples * 32767).clip(-32768, 32767).astype(np.int16).tobytes()
