"""What speaks for and against a reading, and how sure it makes that the reading was said to us.

A language model of some hundreds of words forces any speech into them, so a reading alone proves nothing. Nine things
tell speech that was meant for it from speech that was not, none of them in every case:

    acoustic    how well the words fit the sound, against the best sound of each frame
    worst       the same of the word that fits worst
    posterior   how little else the search had in mind, on average
    least       the same of the word that it was least sure of
    agreement   how like what the quick first pass over the utterance found is to what the thorough second found
    language    how likely the words are in the skills' sentences, against the likeliest word in the place of each
    oddest      the same of the word that is oddest in its place, or of the end where no sentence ends
    whole       whether the likeliest words are a sentence from begin to end; where another had to be taken, how like them it is
    margin      how much worse that sentence fits the sound than the likeliest words

Their weights were learned from recordings (`bench.recognition.training`) and make a probability of them, so that a
limit means the same for every vocabulary and does not have to be found anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

OFFSET: Final = "offset"
# Beyond these a value is as bad as can be; one wild word must not outweigh all the others.
_LEAST: Final = {
    "acoustic": -8.0,
    "worst": -10.0,
    "posterior": -6.0,
    "least": -10.0,
    "language": -10.0,
    "oddest": -12.0,
    "margin": -4.0,
}
_STEEPEST: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Values of one reading; the larger, the surer. `agreement` and `whole` are from 0 to 1, the others mean or least log probabilities."""

    acoustic: float
    worst: float
    posterior: float
    least: float
    agreement: float
    language: float
    oddest: float
    whole: float
    margin: float = 0.0

    def values(self) -> dict[str, float]:
        """Return them by name, none below what still makes a difference."""
        return {name: max(value, _LEAST.get(name, value)) for name, value in asdict(self).items()}


def confidence(evidence: Evidence, weights: Mapping[str, float]) -> float:
    """Return from 0 to 1 how sure it is that the words were said to us.

    Args:
        evidence: Of the reading.
        weights: By name; what is not named does not count. `offset` is added.
    """
    total = weights.get(OFFSET, 0.0)
    for name, value in evidence.values().items():
        total += weights.get(name, 0.0) * value
    return 1 / (1 + math.exp(-max(-_STEEPEST, min(_STEEPEST, total))))
