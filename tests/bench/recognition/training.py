"""Learns from the tuning half what a reading's evidence is worth, and writes a model's coefficients.

    PYTHONPATH=tests EARSHOT_DATA=… .venv/bin/python -m bench.recognition.training [en-US|zh-CN|zh-CN-builtin]
        [--again] [--clips N]

Every clip is decoded as a worker process does it. A reading counts as right when our NLU makes the right intent and slots
of it (coffee commands) or when it is right word for word (synthesised ones); everything else, other speech included, is
wrong. Speech that is for us and speech that is not weigh the same in sum. Weights are at least 0: more of a good thing
never makes a reading less sure. The limit is the lowest at which false acceptance, cross-validated, is at most 2 %, or a
higher one as long as at most one right reading in a hundred more is refused for it. The
evidence is kept in build/results/asr-evidence-<model>.json; --again decodes anew. For Mandarin there is synthesised speech alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.recognition.clips import Recordings, mixed, read_recordings, to_pcm
from bench.recognition.coffee import INTENT, coffee_document
from bench.recognition.evaluating import ENGLISH, MANDARIN, SNRS_DB
from bench.recognition.halving import chosen
from bench.recognition.saying import commands, other
from bench.recognition.scoring import same_meaning, same_words
from bench.recognition.skills import coffee, documents, registered
from bench.results import RESULTS, table
from earshot_asr.engines.pocketsphinx import acoustic
from earshot_asr.engines.pocketsphinx.acoustic import AcousticModel
from earshot_asr.engines.pocketsphinx.bundles import BundleStore
from earshot_asr.engines.pocketsphinx.decoders import Decoders
from earshot_asr.engines.pocketsphinx.evidence import Evidence, confidence
from earshot_asr.engines.pocketsphinx.noise import Loudness, with_floor
from earshot_asr.engines.pocketsphinx.orders import Reading
from earshot_asr.vocabulary.tokens import join
from support.data import data_folder
from support.understanding import SkillWords, meaning, taught, utterance

_RIDGE = 1e-3
_STEPS = 20_000
_RATE = 0.05
_FOLDS = 5
_LIMITS = tuple(step / 20 for step in range(1, 20))
_MOST_FALSE = 0.02
_MOST_LOST = 0.01
_MODELS = (ENGLISH, MANDARIN, "zh-CN-builtin")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Something to decode.

    Attributes:
        kind: Which set.
        pcm: Its audio.
        coffee: Whether the coffee grammar is registered.
        text: What is right word for word; empty: nothing, or the slots.
        slots: What is right by meaning.
    """

    kind: str
    pcm: bytes
    coffee: bool = True
    text: str = ""
    slots: dict[str, str] | None = None


def examples(recordings: Recordings, most: int | None) -> Iterator[Example]:
    """Yield the tuning half, one at a time; at most so many coffee commands."""
    yield from synthesised(ENGLISH)
    half = chosen(recordings, "tune")
    for clip in half.other:
        yield Example(kind="other", pcm=to_pcm(clip.samples()))
    noise = soundfile.read(recordings.noise, dtype="float32")[0]
    for number, (clip, snr) in enumerate(zip(half.commands[:most], cycle(SNRS_DB), strict=False)):
        samples = clip.samples()
        yield Example(kind="clean", pcm=to_pcm(samples), slots=clip.slots)
        yield Example(kind="noise", pcm=to_pcm(mixed(samples, noise, snr, number)), slots=clip.slots)
        yield Example(kind="unregistered", pcm=to_pcm(samples), coffee=False)


def synthesised(locale: str) -> Iterator[Example]:
    """Yield the sentences of the tuning half that are synthesised."""
    for one in commands(locale, "tune"):
        yield Example(kind="synth", pcm=one.pcm(), text=one.text)
    for one in other(locale, "tune"):
        yield Example(kind="synth_other", pcm=one.pcm())


async def decoders(
    words: list[SkillWords], cache: Path, model: AcousticModel | None = None
) -> tuple[Decoders, dict[str, str]]:
    """Return decoders for the sentences of some skills, and how their words are written; English by default."""
    hears = model or acoustic.english()
    bundle = await BundleStore(cache).get(hears, documents(words)[hears.locale])
    return Decoders(bundle.order), bundle.spellings


def hear(ears: Decoders, pcm: bytes) -> tuple[Reading, ...]:
    """Return the readings of an utterance as a worker process makes them."""
    loudness = Loudness()
    loudness.measure(bytearray(pcm))
    heard, start = loudness.cut(pcm)
    return ears.decode_whole(with_floor(heard, start // 2, loudness.floor_dbfs))


def decode_mandarin(model: AcousticModel, cache: Path) -> list[Row]:
    """Return evidence and truth of every synthesised Mandarin example."""
    ears, spellings = asyncio.run(decoders(registered(), cache, model))
    rows: list[Row] = []
    for example in synthesised(MANDARIN):
        if found := hear(ears, example.pcm):
            said = join(found[0].words, spellings)
            right = bool(example.text) and same_words(said, example.text)
            rows.append({"kind": example.kind, "said": said, "right": right, "evidence": found[0].evidence})
    return rows


def decode(recordings: Recordings, cache: Path, most: int | None) -> list[Row]:
    """Return evidence and truth of every English example."""
    skills = registered()
    both = [*skills, coffee(coffee_document(recordings.grammar))]
    interpreter = taught(both)
    with_coffee, spellings = asyncio.run(decoders(both, cache))
    without, _ = asyncio.run(decoders(skills, cache))
    rows: list[Row] = []
    for example in examples(recordings, most):
        found = hear(with_coffee if example.coffee else without, example.pcm)
        if not found:
            continue
        said = join(found[0].words, spellings)
        right = bool(example.text) and same_words(said, example.text)
        if example.slots is not None:
            hypotheses = interpreter.interpret(utterance(said)).hypotheses
            right = same_meaning(*meaning(hypotheses[0] if hypotheses else None), INTENT, example.slots)
        rows.append({"kind": example.kind, "said": said, "right": right, "evidence": found[0].evidence})
        print(f"\r{len(rows)} {example.kind}      ", end="", flush=True)
    print()
    return rows


def fit(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    """Return the weights of the evidence, at least 0, and the offset."""
    values: NDArray[np.float64] = np.array([[row["evidence"][name] for name in names] for row in rows])
    right = np.array([row["right"] for row in rows], dtype=float)
    for_us = np.array([is_for_us(row) for row in rows])
    share = np.where(for_us, 1 / for_us.sum(), 1 / (~for_us).sum()) / 2
    middle, spread = values.mean(axis=0), values.std(axis=0)
    # What is always the same says nothing.
    spread = np.where(spread > 0, spread, np.inf)
    scaled = (values - middle) / spread
    weights, offset = np.zeros(len(names)), 0.0
    for _ in range(_STEPS):
        wrong_by = share * (1 / (1 + np.exp(-(scaled @ weights + offset))) - right)
        weights = np.maximum(0.0, weights - _RATE * (scaled.T @ wrong_by + _RIDGE * weights) * 10)
        offset -= _RATE * wrong_by.sum() * 10
    real = weights / spread
    return {
        **{name: round(float(weight), 3) for name, weight in zip(names, real, strict=True)},
        "offset": round(float(offset - real @ middle), 3),
    }


def is_for_us(row: Row) -> bool:
    """Whether a row is of speech that was meant for the skills that were registered."""
    return row["kind"] in {"synth", "clean", "noise"}


def main() -> None:
    """Decode if need be, fit, write the coefficients, print what limits would do."""
    parser = argparse.ArgumentParser(prog="bench.recognition.training")
    parser.add_argument("model", nargs="?", choices=_MODELS, default=ENGLISH, help="which coefficients")
    parser.add_argument("--again", action="store_true", help="decode even if the evidence was kept")
    parser.add_argument("--clips", type=int, help="at most so many coffee commands")
    arguments = parser.parse_args()
    kept = RESULTS / f"asr-evidence-{arguments.model}.json"
    if arguments.again or not kept.is_file():
        with tempfile.TemporaryDirectory(prefix="earshot-training-") as cache:
            rows = _decode(arguments.model, Path(cache), arguments.clips)
        RESULTS.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(rows))
    rows = json.loads(kept.read_text())
    weights = fit(rows, list(rows[0]["evidence"]))
    limit = choose(rows, cross_validated(rows))
    file = Path(acoustic.__file__).parent / "calibration" / f"{arguments.model}.json"
    file.write_text(json.dumps({"weights": weights, "limit": limit, "examples": len(rows)}, indent=2) + "\n")
    print(file.read_text())


def _decode(model: str, cache: Path, most: int | None) -> list[Row]:
    folder = data_folder()
    if model == "zh-CN-builtin":
        return decode_mandarin(acoustic.mandarin(None), cache)
    if folder is None:
        raise SystemExit("there is nothing to learn from: set EARSHOT_DATA")
    if model == MANDARIN:
        return decode_mandarin(acoustic.mandarin(folder / "models" / "zh-CN-tdt"), cache)
    return decode(read_recordings(folder / "speech"), cache, most)


def cross_validated(rows: Sequence[Row]) -> list[float]:
    """Return how sure each row is by weights that were learned without it."""
    fold = np.random.default_rng(1).permutation(len(rows)) % _FOLDS
    sure = [0.0] * len(rows)
    for part in range(_FOLDS):
        weights = fit([row for row, its in zip(rows, fold, strict=True) if its != part], list(rows[0]["evidence"]))
        for place in np.flatnonzero(fold == part):
            sure[place] = confidence(Evidence(**rows[place]["evidence"]), weights)
    return sure


def choose(rows: Sequence[Row], sure: Sequence[float]) -> float:
    """Return the limit, and print what others would do and how far the confidence can be believed."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    lines: list[tuple[object, ...]] = []
    chosen_limit = _LIMITS[-1]
    right = [value for row, value in zip(rows, sure, strict=True) if row["right"]]
    lost = {limit: float(np.mean([value < limit for value in right])) for limit in _LIMITS}
    for limit in reversed(_LIMITS):
        kept: dict[str, list[bool]] = {kind: [] for kind in kinds}
        false: list[bool] = []
        for row, value in zip(rows, sure, strict=True):
            if row["right"] or not is_for_us(row):
                kept[row["kind"]].append(value >= limit)
            if not is_for_us(row):
                false.append(value >= limit)
        if np.mean(false) <= _MOST_FALSE:
            chosen_limit = limit
        lines.append((limit, f"{np.mean(false):.3f}", *(f"{np.mean(kept[kind]):.3f}" for kind in kinds)))
    # The world has more that is for nobody than the tuning half.
    chosen_limit = max(limit for limit in _LIMITS if lost[limit] <= lost[chosen_limit] + _MOST_LOST)
    print(table(("limit", "false", *(f"accepted {kind}" for kind in kinds)), lines[::-1]))
    lines = []
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = [(row["right"], value) for row, value in zip(rows, sure, strict=True) if low <= value < low + 0.2]
        if inside:
            right, said = (np.mean(column) for column in zip(*inside, strict=True))
            lines.append((f"{low:.1f}-{low + 0.2:.1f}", len(inside), f"{said:.2f}", f"{right:.2f}"))
    print(table(("confidence", "readings", "mean", "right"), lines))
    return chosen_limit


if __name__ == "__main__":
    main()
