"""Which intent a text has: a linear model over its meaning (the encoder's vector) and its words (grams).

Trained with scikit-learn, which only the training loads; used with numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.statistical.encoder import Vectors
from earshot_nlu.understanding.statistical.grams import GramTable, grams

# How much words weigh beside meaning: more the more sentences an intent has, since then words are known.
_WORDS = 0.333
_WORDS_GROW = 0.227
# Of meanings, the directions along which the sentences differ most: the others tell less than they cost, of time in training
# and of certainty where an intent has few sentences.
_DIRECTIONS = 128
# Where an intent has few sentences, their middle tells it too: how much beside the model, and up to how many sentences.
_MIDDLE = 3.0
_MIDDLE_FADES = 40.0
# Finer steps cost more and choose the same.
_TOLERANCE = 1e-2
# How closely the model keeps to its sentences: the fewer an intent has, the more each counts.
_STRENGTH = 60.0
_LEAST_STRENGTH, _MOST_STRENGTH = 0.6, 6.0


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts as the model sees them."""

    vectors: Vectors
    rows: tuple[NDArray[np.int64], ...]
    weights: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentModel:
    """A trained model of intents.

    Attributes:
        intents: Names, sorted.
        table: The grams.
        by_vector: Weights of the vector's dimensions, one column an intent.
        by_gram: Weights of the grams, likewise.
        bias: Likewise.
        words: How much grams weigh beside the vector.
    """

    intents: tuple[str, ...]
    table: GramTable
    by_vector: NDArray[np.float32]
    by_gram: NDArray[np.float32]
    bias: NDArray[np.float32]
    words: float

    def scores(self, texts: Texts) -> NDArray[np.float32]:
        """Return the score of every intent, a row for each text: above 0 where it is more likely than all others."""
        found = texts.vectors @ self.by_vector + self.bias
        for row, (rows, weights) in enumerate(zip(texts.rows, texts.weights, strict=True)):
            if len(rows):
                found[row] += self.words * (weights @ self.by_gram[rows])
        return found


def seen(texts: Sequence[str], table: GramTable, language: Language, vectors: Vectors) -> Texts:
    """Return texts as a model with that table sees them."""
    weighed = [table.weigh(grams(text, language)) for text in texts]
    return Texts(vectors, tuple(rows for rows, _ in weighed), tuple(weights for _, weights in weighed))


def train_intents(texts: Texts, intents: Sequence[str], table: GramTable) -> IntentModel:
    """Return the model of texts with their intents, two different ones at least."""
    from scipy.sparse import csr_matrix, hstack  # noqa: PLC0415 - only training loads it
    from sklearn.svm import LinearSVC  # noqa: PLC0415 - likewise

    an_intent = len(intents) / len(set(intents))
    share = _WORDS * an_intent**_WORDS_GROW if texts.vectors.size else 1.0
    strength = min(_MOST_STRENGTH, max(_LEAST_STRENGTH, _STRENGTH / an_intent))
    lengths = np.cumsum([0, *(len(rows) for rows in texts.rows)])
    words = csr_matrix(
        (share * np.concatenate(texts.weights), np.concatenate(texts.rows), lengths),
        shape=(len(texts.rows), len(table.rows)),
    )
    directions = _directions(texts.vectors)
    matrix = hstack([csr_matrix(texts.vectors @ directions), words], format="csr") if texts.vectors.size else words
    fitted = LinearSVC(C=strength, tol=_TOLERANCE, random_state=0).fit(matrix, list(intents))
    names = tuple(str(name) for name in fitted.classes_)
    weights, bias = fitted.coef_, fitted.intercept_
    if len(names) == 2:
        weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
    size = directions.shape[1]
    by_vector = directions @ weights[:, :size].T
    by_vector += min(_MIDDLE, _MIDDLE_FADES / an_intent) * _middles(texts.vectors, intents, names)
    return IntentModel(
        intents=names,
        table=table,
        by_vector=np.ascontiguousarray(by_vector, np.float32),
        by_gram=np.ascontiguousarray(weights[:, size:].T, np.float32),
        bias=bias.astype(np.float32),
        words=share,
    )


def _directions(vectors: Vectors) -> Vectors:
    """Return the directions along which vectors lie, one a column."""
    _, found = np.linalg.eigh(vectors.T @ vectors)
    return found[:, ::-1][:, :_DIRECTIONS]


def _middles(vectors: Vectors, intents: Sequence[str], names: Sequence[str]) -> Vectors:
    """Return the middle of each intent's vectors, one a column, each of length 1."""
    owners = np.array(intents)
    found = np.stack([vectors[owners == name].mean(axis=0) for name in names], axis=1)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=0), 1e-6), np.float32)
