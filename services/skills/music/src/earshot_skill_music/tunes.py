"""The sample tunes, written for Earshot: what is played, as notes. Each lasts 20 to 40 seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot_skill_music import synth
from earshot_skill_music.synth import Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Tune:
    """A tune, its tags, and how to render it to mono int16 at `synth.RATE`."""

    file: str
    title: str
    artist: str
    album: str
    genre: str
    render: Callable[[], NDArray[np.int16]]


def _chord(pitches: tuple[float, ...], start: float, beats: float, loudness: float = 0.4) -> list[Note]:
    return [Note(pitch=pitch, start=start, beats=beats, loudness=loudness) for pitch in pitches]


def _melody(pitches: list[float | None], start: float, step: float, *, length: float = 1.0) -> list[Note]:
    return [
        Note(pitch=pitch, start=start + index * step, beats=step * length)
        for index, pitch in enumerate(pitches)
        if pitch is not None
    ]


def blue_corner() -> NDArray[np.int16]:
    """Render a swinging blues in F: walking bass, ride cymbal, piano."""
    roots = [53, 53, 53, 53, 58, 58, 53, 53, 55, 48, 53, 48]
    walk, ride, comping, lead = list[Note](), list[Note](), list[Note](), list[Note]()
    phrase: list[float | None] = [72, None, 75, 77, None, 78, 77, 75, None, 72, 70, None]
    for bar, root in enumerate(roots):
        at = bar * 4.0
        walk += _melody([root - 12, root - 8, root - 5, root - 3], at, 1.0, length=0.95)
        comping += _chord((root + 4, root + 10, root + 14), at + 1.66, 0.4) + _chord((root + 4, root + 9), at + 3, 0.3)
        for beat in range(4):
            ride.append(Note(pitch=60, start=at + beat, beats=0.4, loudness=0.5))
            if beat % 2:
                ride.append(Note(pitch=60, start=at + beat + 0.66, beats=0.2, loudness=0.35))
        if bar % 4 != 3:
            lead += _melody(phrase[(bar % 3) * 2 : (bar % 3) * 2 + 6], at + 0.66, 0.5)
    return synth.mix(
        [(synth.bass, 0.9, walk), (synth.cymbal, 0.15, ride), (synth.piano, 0.5, comping), (synth.piano, 0.8, lead)],
        beats_a_minute=132,
        seed=1,
    )


def morning_prelude() -> NDArray[np.int16]:
    """Render broken chords in C major over a slow bass, for piano."""
    chords = [
        (48, 52, 55, 60, 64),
        (48, 53, 57, 62, 65),
        (47, 50, 55, 62, 67),
        (48, 52, 55, 60, 64),
        (45, 52, 57, 60, 64),
        (50, 54, 57, 62, 66),
        (43, 47, 50, 55, 59),
        (48, 52, 55, 60, 64),
    ]
    notes: list[Note] = []
    for bar, chord in enumerate(chords * 2):
        figure = [chord[0], chord[2], chord[3], chord[4], chord[3], chord[2], chord[1], chord[3]]
        notes += _melody([float(pitch) for pitch in figure], bar * 4.0, 0.5, length=1.6)
        notes.append(Note(pitch=chord[0] - 12, start=bar * 4.0, beats=3.8, loudness=0.5))
    notes += _chord((36, 48, 52, 55, 60), 64.0, 4.0, 0.6)
    return synth.mix([(synth.piano, 1.0, notes)], beats_a_minute=112, seed=2)


def signal_river() -> NDArray[np.int16]:
    """Render four on the floor with an arpeggio and a slow pad, in A minor."""
    roots = [57, 53, 48, 55]
    drum, hats, arpeggio, pads, low = list[Note](), list[Note](), list[Note](), list[Note](), list[Note]()
    for bar in range(16):
        root, at = float(roots[bar % 4]), bar * 4.0
        minor = 3 if root == 57 else 4
        steps = [root + 12, root + 12 + minor, root + 19, root + 24]
        arpeggio += _melody([steps[index % 4] for index in range(16)], at, 0.25, length=0.8)
        pads += _chord((root, root + minor, root + 7), at, 4.0)
        low += _melody([root - 24] * 8, at, 0.5, length=0.6)
        if bar >= 2:
            drum += [Note(pitch=36, start=at + beat, beats=0.5, loudness=0.9) for beat in range(4)]
            hats += [Note(pitch=60, start=at + beat + 0.5, beats=0.2) for beat in range(4)]
    return synth.mix(
        [
            (synth.saw, 0.25, arpeggio),
            (synth.pad, 0.25, pads),
            (synth.bass, 0.7, low),
            (synth.kick, 1.0, drum),
            (synth.cymbal, 0.2, hats),
        ],
        beats_a_minute=124,
        seed=3,
    )


def sleepy_harbor() -> NDArray[np.int16]:
    """Render a lullaby in G for a music box."""
    tune: list[float | None] = [
        79, None, 83, 86, None, None, 84, None, 83, 81, None, None,
        78, None, 81, 84, None, None, 83, None, 81, 79, None, None,
    ]  # fmt: skip
    lead = _melody(tune, 0.0, 0.75, length=2.0) + _melody(tune, 18.0, 0.75, length=2.0)
    rocking = [
        note
        for bar, root in enumerate([55, 55, 50, 50, 50, 50, 55, 55] * 2)
        for note in _melody([float(root), float(root + 7), float(root + 12)], bar * 2.25, 0.75, length=1.5)
    ]
    return synth.mix([(synth.music_box, 0.8, lead), (synth.music_box, 0.45, rocking)], beats_a_minute=88, seed=4)


def moonlit_boat() -> NDArray[np.int16]:
    """Render a pentatonic song for plucked strings."""
    line: list[float | None] = [
        69, None, 72, 74, 76, None, 74, 72, 69, 67, 69, None, 64, None, None, None,
        67, None, 69, 72, 74, None, 72, 69, 67, 64, 62, None, 60, None, None, None,
    ]  # fmt: skip
    lead = _melody(line, 0.0, 0.5, length=2.4) + _melody(line, 16.0, 0.5, length=2.4)
    drone = [
        note
        for bar, root in enumerate([45, 48, 45, 40, 43, 45, 43, 48] * 2)
        for note in _melody([float(root), float(root + 7)], bar * 2.0, 1.0, length=1.8)
    ]
    lead += _chord((60, 64, 67, 72), 32.0, 4.0, 0.5)
    return synth.mix([(synth.plucked, 0.8, lead), (synth.plucked, 0.5, drone)], beats_a_minute=80, seed=5)


def open_road() -> NDArray[np.int16]:
    """Render power chords in E with a straight beat."""
    riff = [40.0, 40.0, 43.0, 45.0, 40.0, 40.0, 47.0, 45.0]
    guitar, drum, back, hats = list[Note](), list[Note](), list[Note](), list[Note]()
    for bar in range(16):
        at = bar * 4.0
        shift = 5.0 if bar % 8 in {4, 5} else 0.0
        guitar += _melody([pitch + shift for pitch in riff], at, 0.5, length=0.9)
        drum += [Note(pitch=36, start=at + beat, beats=0.5, loudness=0.9) for beat in (0, 1.5, 2)]
        back += [Note(pitch=38, start=at + beat, beats=0.4) for beat in (1, 3)]
        hats += [Note(pitch=60, start=at + half / 2, beats=0.2, loudness=0.4) for half in range(8)]
    return synth.mix(
        [
            (synth.overdriven, 0.35, guitar),
            (synth.kick, 1.0, drum),
            (synth.snare, 0.5, back),
            (synth.cymbal, 0.2, hats),
        ],
        beats_a_minute=140,
        seed=6,
    )


TUNES: tuple[Tune, ...] = (
    Tune(
        file="blue-corner.flac",
        title="Blue Corner",
        artist="The Night Shift",
        album="Samples",
        genre="Jazz",
        render=blue_corner,
    ),
    Tune(
        file="morning-prelude.flac",
        title="Morning Prelude",
        artist="Clara Stone",
        album="Samples",
        genre="Classical",
        render=morning_prelude,
    ),
    Tune(
        file="signal-river.flac",
        title="Signal River",
        artist="Silver Circuit",
        album="Samples",
        genre="Electronic",
        render=signal_river,
    ),
    Tune(
        file="sleepy-harbor.flac",
        title="Sleepy Harbor",
        artist="Rose Field",
        album="Samples",
        genre="Lullaby",
        render=sleepy_harbor,
    ),
    Tune(
        file="moonlit-boat.flac",
        title="月光小船",
        artist="江南小馆",
        album="样曲",
        genre="Folk",
        render=moonlit_boat,
    ),
    Tune(
        file="open-road.flac",
        title="Open Road",
        artist="Stone River",
        album="Samples",
        genre="Rock",
        render=open_road,
    ),
)
