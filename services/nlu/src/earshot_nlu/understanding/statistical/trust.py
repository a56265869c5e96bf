"""How likely it is that the likeliest intent is the one that was meant: a calibrated probability.

Learnt from what the model does with sentences that it has not seen. Some shapes of sentences are held out, and some
intents as a whole: what belongs to these is speech that nobody registered, near enough to tempt. Speech of everyday
stands for what is further away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot_nlu.understanding.statistical.encoder import Vectors
from earshot_nlu.understanding.statistical.intents import IntentModel, Texts

Signs = NDArray[np.float32]
# How many signs there are.
SIGNS = 5
_NEAREST = 3
_HELD_BACK = 1e-3
# The operating point: of what is right so much is lost, of what is wrong at least so much refused, and of everyday speech.
_LOST = 0.004
_REFUSED = 0.25
_EVERYDAY_REFUSED = 0.85
# Scores are margins of about 1; so steep they are nearly logits.
_STEEPNESS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The vectors of the training's sentences and whose they are (an index into the model's intents)."""

    vectors: Vectors
    owners: NDArray[np.int64]

    def nearest(self, vectors: Vectors, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return for each vector how near the sentences of its chosen intent are, and the nearest of all others."""
        if not self.vectors.size:
            return np.zeros((len(vectors), 2), np.float32)
        near = vectors @ self.vectors.T
        found = np.zeros((len(vectors), 2), np.float32)
        for row, intent in enumerate(chosen):
            own = np.sort(near[row, self.owners == intent])[-_NEAREST:]
            others = near[row, self.owners != intent]
            found[row] = own.mean() if len(own) else 0.0, others.max() if len(others) else 0.0
        return found


def signs(model: IntentModel, neighbours: Neighbours, texts: Texts, known: NDArray[np.float32]) -> Signs:
    """Return what tells right from wrong, a row for each text.

    Args:
        model: Chooses the intents.
        neighbours: Of the same training.
        texts: What was said.
        known: The share of each text's words that the training knows.
    """
    scores = _STEEPNESS * model.scores(texts).astype(np.float64)
    top = scores.max(axis=1)
    energy = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
    second = np.partition(scores, -2, axis=1)[:, -2] if scores.shape[1] > 1 else np.zeros(len(top))
    near = neighbours.nearest(texts.vectors, scores.argmax(axis=1))
    likely = np.clip(np.exp(top - energy), 1e-6, 1 - 1e-6)
    columns = [
        np.log(likely / (1 - likely)),
        np.minimum(top - second, 8.0),
        near[:, 0],
        near[:, 0] - near[:, 1],
        known,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What signs tell.

    Attributes:
        weights: Of the signs.
        bias: What is added.
    """

    weights: NDArray[np.float32]
    bias: float

    @classmethod
    def none(cls) -> Trust:
        """Return what is never sure, because nothing could be held out."""
        return cls(weights=np.zeros(SIGNS, np.float32), bias=-1.0)

    def of(self, found: Signs) -> NDArray[np.float32]:
        """Return how likely each choice is right."""
        return np.asarray(1 / (1 + np.exp(-(found @ self.weights + self.bias))), np.float32)


def train_trust(found: Signs, right: Sequence[bool], everyday: Sequence[bool]) -> Trust:
    """Return what tells right from wrong in signs whose outcome is known; never sure where there is nothing to learn.

    One half is put where few of the right choices are lost, but no lower than where many wrong ones are refused, and
    most everyday speech. Not all of it: some was written to tempt, and a
    skill may be about some.
    """
    outcome = np.array(right, bool)
    if outcome.all() or not outcome.any():
        return Trust.none()
    weights = _fitted(found, outcome)
    sums = found @ weights
    half = max(np.quantile(sums[outcome], _LOST), np.quantile(sums[~outcome], _REFUSED))
    if any(everyday):
        half = max(half, np.quantile(sums[np.array(everyday, bool)], _EVERYDAY_REFUSED))
    return Trust(weights=weights, bias=-float(half))


def _fitted(found: Signs, outcome: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the weights of a logistic regression in which no sign of being right may count against it."""
    from scipy.optimize import minimize  # noqa: PLC0415 - only training loads it

    spread, middle = found.std(axis=0) + 1e-6, found.mean(axis=0)
    scaled = np.hstack([(found - middle) / spread, np.ones((len(found), 1))]).astype(np.float64)
    each = np.where(outcome, 0.5 / outcome.sum(), 0.5 / (~outcome).sum())
    sides = np.where(outcome, 1.0, -1.0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = sides * (scaled @ weights)
        slope = -sides * each / (1 + np.exp(np.clip(margins, -50, 50)))
        held = _HELD_BACK * np.append(weights[:-1], 0.0)
        return float(each @ np.logaddexp(0, -margins) + weights @ held / 2), scaled.T @ slope + held

    bounds = [(0.0, None)] * SIGNS + [(None, None)]
    best = minimize(loss, np.zeros(SIGNS + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(best.x[:-1] / spread, np.float32)
