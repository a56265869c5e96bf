"""Sounds that the device makes by itself, from its own arithmetic: the apology clip and ringing.

The apology is not speech, because a device can't synthesise any: a pattern of tones for each locale, falling where an
English "sorry" falls, and with the contour of "对不起" (4th, 4th, 3rd tone) in Mandarin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_AMPLITUDE = 0.25
_EDGE_S = 0.01

# Each tone: from and to which frequency in hertz, for how many seconds; 0 Hz is a pause.
_Tone = tuple[float, float, float]
_APOLOGIES: dict[str, tuple[_Tone, ...]] = {
    "en": ((440.0, 392.0, 0.22), (0.0, 0.0, 0.06), (330.0, 262.0, 0.34)),
    "zh": ((520.0, 330.0, 0.2), (0.0, 0.0, 0.04), (494.0, 311.0, 0.2), (0.0, 0.0, 0.04), (294.0, 370.0, 0.3)),
}
_RING: tuple[_Tone, ...] = (
    (880.0, 880.0, 0.12),
    (0.0, 0.0, 0.06),
    (880.0, 880.0, 0.12),
    (0.0, 0.0, 0.06),
    (1175.0, 1175.0, 0.24),
    (0.0, 0.0, 0.6),
)


def apology(locale: str, rate: int) -> NDArray[np.int16]:
    """Return the apology clip of a locale at `rate` Hz, shape (n,); the English pattern for a language without one."""
    return _render(_APOLOGIES.get(locale.split("-", 1)[0].lower(), _APOLOGIES["en"]), rate)


def ring(rate: int) -> NDArray[np.int16]:
    """Return one period of ringing at `rate` Hz, shape (n,)."""
    return _render(_RING, rate)


def _render(tones: tuple[_Tone, ...], rate: int) -> NDArray[np.int16]:
    return np.concatenate([_tone(*tone, rate) for tone in tones])


def _tone(from_hz: float, to_hz: float, seconds: float, rate: int) -> NDArray[np.int16]:
    count = int(seconds * rate)
    if not from_hz:
        return np.zeros(count, np.int16)
    phase = 2 * np.pi * np.cumsum(np.linspace(from_hz, to_hz, count)) / rate
    edge = np.clip(np.minimum(np.arange(count), np.arange(count)[::-1]) / (_EDGE_S * rate), 0.0, 1.0)
    return (np.sin(phase) * edge * _AMPLITUDE * np.iinfo(np.int16).max).astype(np.int16)
