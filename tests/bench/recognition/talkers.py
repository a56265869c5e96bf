"""Which clips sound as if the same person had said them into the same microphone.

The recordings carry no talker. A talker at home shows in two things that last through a clip: the average spectrum of
the speech, and the spectrum of the quietest moments, which is the room and the microphone. Clips alike in both become a
group. It need not be right in every case: it keeps most of a talker's clips on one side, which a random split does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.recognition.clips import RATE, Clip, Samples

_BANDS = 24
_WINDOW = 512
_SIZE = 8
"""No group becomes larger."""


def talkers(clips: Sequence[Clip]) -> list[int]:
    """Return a group number for each clip."""
    features = np.stack([_fingerprint(clip.samples()) for clip in clips])
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    groups = list(range(len(clips)))
    order = np.argsort(distances, axis=None, kind="stable")
    limit = np.quantile(distances[np.triu_indices(len(clips), 1)], 0.02) if len(clips) > 1 else 0.0
    for place in order:
        one, other = divmod(int(place), len(clips))
        if distances[one, other] > limit:
            break
        mine, theirs = groups[one], groups[other]
        if mine != theirs and groups.count(mine) + groups.count(theirs) <= _SIZE:
            groups = [mine if group == theirs else group for group in groups]
    return groups


def _fingerprint(samples: Samples) -> NDArray[np.float64]:
    count = len(samples) // _WINDOW
    windows = samples[: count * _WINDOW].reshape(count, _WINDOW) * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2 + 1e-10
    edges = np.geomspace(100, RATE / 2, _BANDS + 1) / (RATE / _WINDOW)
    bands = np.stack(
        [power[:, int(low) : max(int(low) + 1, int(high))].mean(axis=1) for low, high in pairwise(edges)],
        axis=1,
    )
    loudness = bands.sum(axis=1)
    loud = np.log(bands[loudness >= np.quantile(loudness, 0.7)].mean(axis=0))
    quiet = np.log(bands[loudness <= np.quantile(loudness, 0.15)].mean(axis=0))
    return np.concatenate([loud - loud.mean(), quiet - quiet.mean(), [quiet.mean() - loud.mean()]])
