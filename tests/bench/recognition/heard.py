"""What decoders have heard, kept on disk: learning anew costs seconds where nothing that decides it has changed.

Each utterance is kept under a digest of all that its readings come from: its samples, the files of the vocabulary, the
settings of the search, the acoustic model's files, the library's version, and the source of the engine and of what makes a vocabulary.
What a reading's evidence is worth (`calibration/`) is no part of it: evidence does not depend on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import earshot_asr.engines.pocketsphinx as engine
from earshot_asr.engines.pocketsphinx.decoders import Decoders
from earshot_asr.engines.pocketsphinx.noise import Loudness, with_floor
from earshot_asr.engines.pocketsphinx.orders import LoadOrder, Reading

_SOURCES = ("engines/pocketsphinx", "vocabulary")


class Heard:
    """Hears utterances with one vocabulary, or remembers what was heard."""

    def __init__(self, ears: Decoders, folder: Path) -> None:
        """Take decoders, and where to keep what they hear."""
        self._ears = ears
        self._folder = folder
        self._origin = origin(ears.order)
        folder.mkdir(parents=True, exist_ok=True)

    def readings(self, pcm: bytes) -> tuple[Reading, ...]:
        """Return the readings of an utterance as a worker process makes them; their confidence is as it was when they were heard."""
        kept = self._folder / f"{hashlib.sha256(self._origin + pcm).hexdigest()[:32]}.json"
        try:
            return tuple(map(Reading.from_json, json.loads(kept.read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            found = hear(self._ears, pcm)
            kept.write_text(json.dumps([reading.to_json() for reading in found]), encoding="utf-8")
            return found


def hear(ears: Decoders, pcm: bytes) -> tuple[Reading, ...]:
    """Return the readings of an utterance as a worker process makes them."""
    loudness = Loudness()
    loudness.measure(bytearray(pcm))
    heard, start = loudness.cut(pcm)
    return ears.decode_whole(with_floor(heard, start // 2, loudness.floor_dbfs))


def origin(order: LoadOrder) -> bytes:
    """Return a digest of all but the samples that readings come from."""
    digest = hashlib.sha256(version("pocketsphinx").encode())
    searched = [
        order.search,
        order.sentences_search,
        order.sentences_first,
        order.fit_scale,
        order.kind,
        order.locale,
    ]
    digest.update(json.dumps(searched, sort_keys=True).encode())
    for path in _files(order):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.digest()


def _files(order: LoadOrder) -> Iterator[Path]:
    named = (order.model, order.dictionary, order.likeliest, order.sentences, order.sentences_grammar)
    yield from (Path(name) for name in named if name)
    if order.acoustic:
        yield from sorted(path for path in Path(order.acoustic).iterdir() if path.is_file())
    package = Path(engine.__file__).parents[2]
    for source in _SOURCES:
        yield from sorted((package / source).rglob("*.py"))
