"""A decoder and what its scores mean. Runs in a worker process; the only module that knows pocketsphinx."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from earshot_asr.engines.pocketsphinx.evidence import Evidence, confidence, likeness
from earshot_asr.engines.pocketsphinx.orders import Heard, LoadOrder, Reading

FRAMES_PER_SECOND: Final = 100
MOST_READINGS: Final = 5
SHORTEST_BYTES: Final = 3200
"""A tenth of a second: no word is shorter, and the decoder does not accept less than some frames."""
# Readings that differ in silences only come one after the other.
_EXAMINED: Final = 60
_VARIANT: Final = re.compile(r"\(\d+\)$")
_LEAST: Final = 1e-300
_TELLING_FRAMES: Final = 9
_BEGIN: Final = "<s>"
_END: Final = "</s>"
_NO_WORD: Final = re.compile(r"^(<.*>|\[.*\]|\+\+.*\+\+|\(NULL\))$")


class Segment(Protocol):
    """One stretch of the best reading, as pocketsphinx gives it."""

    word: str
    start_frame: int
    end_frame: int
    ascore: float
    prob: float


def make_decoder(order: LoadOrder) -> Any:
    """Make a decoder.

    Raises:
        RuntimeError: Its files are not as they should be.
    """
    from pocketsphinx import Decoder  # noqa: PLC0415 - not for the service's own process

    settings: dict[str, Any] = {"dict": order.dictionary, "loglevel": "FATAL", "cmn": "batch", **order.search}
    settings["fsg" if order.grammar else "lm"] = order.model
    if order.grammar:
        settings["lm"] = None
    if order.acoustic:
        settings["hmm"] = order.acoustic
    return Decoder(**settings)


def read_likeliest(order: LoadOrder) -> dict[str, float]:
    """Return what the likeliest words of a bundle's language model are worth.

    Raises:
        OSError: The file is not there.
        ValueError: It is not as it should be.
    """
    known: dict[str, float] = json.loads(Path(order.likeliest).read_text(encoding="utf-8")) if order.likeliest else {}
    return known


def begin(decoder: Any) -> None:
    """Begin an utterance without what the last one taught about its microphone and the noise behind it."""
    decoder.reinit_feat()
    decoder.start_utt()


def words_so_far(decoder: Any) -> tuple[str, ...]:
    """Return the words of the best reading of what was fed."""
    hypothesis = decoder.hyp()
    return plain_words(hypothesis.hypstr.split()) if hypothesis else ()


def decode_whole(decoder: Any, pcm: bytes, order: LoadOrder, likeliest: Mapping[str, float]) -> tuple[Reading, ...]:
    """Return the readings of a whole utterance, best first; none where no words were found."""
    if len(pcm) < SHORTEST_BYTES:
        return ()
    begin(decoder)
    decoder.process_raw(pcm, full_utt=True)
    return conclude(decoder, order, likeliest)


def conclude(decoder: Any, order: LoadOrder, likeliest: Mapping[str, float]) -> tuple[Reading, ...]:
    """End an utterance and return its readings, best first; none where no words were found."""
    # What the first pass over the tree of all words has found, before the second looks at the likely ones closely.
    quick = words_so_far(decoder)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    segments: list[Segment] = [segment for segment in decoder.seg() if is_word(segment.word)] if hypothesis else []
    if not segments:
        return ()
    words = tuple(map(bare, (segment.word for segment in segments)))
    evidence = Evidence(
        **_scores(segments),
        **({"language": 0.0, "oddest": 0.0} if order.grammar else _language(decoder, words, likeliest)),
        agreement=likeness(words, quick),
    )
    best = Reading(
        words=words,
        confidence=confidence(evidence, order.calibration),
        heard=_heard(segments),
        evidence=evidence.values(),
    )
    others = [] if order.grammar else islice(decoder.nbest(), _EXAMINED)
    return (best, *_alternatives(best, others))


def _scores(segments: Sequence[Segment]) -> dict[str, float]:
    """Return what the search says of its words; acoustic scores are relative to the best sound of each frame."""
    fits = [_log(segment.ascore) for segment in segments]
    frames = [segment.end_frame - segment.start_frame + 1 for segment in segments]
    # A word of a few frames fits badly or well by chance.
    by_word = [fit / count for fit, count in zip(fits, frames, strict=True) if count >= _TELLING_FRAMES]
    posteriors = [_log(min(segment.prob, 1.0)) for segment in segments]
    mean = sum(fits) / sum(frames)
    return {
        "acoustic": mean,
        "worst": min(by_word, default=mean),
        "posterior": sum(posteriors) / len(posteriors),
        "least": min(posteriors),
    }


def _language(decoder: Any, words: Sequence[str], likeliest: Mapping[str, float]) -> dict[str, float]:
    """Return how much less likely words, and the end after them, are than the likeliest in their places."""
    model, logarithms = decoder.get_lm(), decoder.logmath
    said = (_BEGIN, *words, _END)
    scores: list[float] = []
    for place in range(1, len(said)):
        before = said[max(0, place - 2) : place]
        # The word comes first, its predecessors follow from near to far.
        score = logarithms.log_to_ln(model.prob([said[place], *reversed(before)]))
        scores.append(min(0.0, score - _best(before, likeliest)))
    return {"language": sum(scores) / len(scores), "oddest": min(scores)}


def _best(before: Sequence[str], likeliest: Mapping[str, float]) -> float:
    contexts = (" ".join(before[start:]) for start in range(len(before) + 1))
    return next((likeliest[context] for context in contexts if context in likeliest), 0.0)


def _alternatives(best: Reading, others: Iterable[Any]) -> list[Reading]:
    readings: list[Reading] = []
    seen = {best.words}
    for other in others:
        if other is None or len(readings) + 1 == MOST_READINGS:
            break
        words = plain_words(other.hypstr.split())
        if words and words not in seen:
            seen.add(words)
            # Scores of whole readings are not comparable with posteriors; the rank is.
            readings.append(Reading(words=words, confidence=best.confidence / (len(readings) + 2)))
    return readings


def _heard(segments: Sequence[Segment]) -> tuple[Heard, ...]:
    return tuple(
        Heard(
            word=bare(segment.word),
            start=segment.start_frame / FRAMES_PER_SECOND,
            end=(segment.end_frame + 1) / FRAMES_PER_SECOND,
            confidence=min(1.0, segment.prob),
        )
        for segment in segments
    )


def plain_words(words: Iterable[str]) -> tuple[str, ...]:
    """Return words without fillers and without the marks of pronunciation variants."""
    return tuple(bare(word) for word in words if is_word(word))


def is_word(word: str) -> bool:
    """Tell words from silence, noise and sentence marks."""
    return _NO_WORD.match(word) is None


def bare(word: str) -> str:
    """Return "the" for "the(2)"."""
    return _VARIANT.sub("", word)


def _log(value: float) -> float:
    return math.log(max(value, _LEAST))
