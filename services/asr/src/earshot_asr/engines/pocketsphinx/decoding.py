"""A decoder and what its scores mean. Runs in a worker process; the only module that knows pocketsphinx."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, Protocol

from earshot_asr.engines.pocketsphinx.orders import Heard, LoadOrder, Reading

FRAMES_PER_SECOND: Final = 100
MOST_READINGS: Final = 5
SHORTEST_BYTES: Final = 3200
"""A tenth of a second: no word is shorter, and the decoder does not accept less than some frames."""
# Readings that differ in silences only come one after the other.
_EXAMINED: Final = 60
_VARIANT: Final = re.compile(r"\(\d+\)$")
_LEAST: Final = 1e-300
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


def begin(decoder: Any) -> None:
    """Begin an utterance without what the last one taught about its microphone and the noise behind it."""
    decoder.reinit_feat()
    decoder.start_utt()


def words_so_far(decoder: Any) -> tuple[str, ...]:
    """Return the words of the best reading of what was fed."""
    hypothesis = decoder.hyp()
    return plain_words(hypothesis.hypstr.split()) if hypothesis else ()


def decode_whole(decoder: Any, pcm: bytes, order: LoadOrder) -> tuple[Reading, ...]:
    """Return the readings of a whole utterance, best first; none where no words were found."""
    if len(pcm) < SHORTEST_BYTES:
        return ()
    begin(decoder)
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    return readings(decoder, order)


def readings(decoder: Any, order: LoadOrder) -> tuple[Reading, ...]:
    """Return the readings of an utterance that is ended, best first; none where no words were found."""
    hypothesis = decoder.hyp()
    segments: list[Segment] = [segment for segment in decoder.seg() if is_word(segment.word)] if hypothesis else []
    if not segments:
        return ()
    confidence = utterance_confidence(segments, order.calibration)
    best = Reading(words=tuple(map(bare, (s.word for s in segments))), confidence=confidence, heard=_heard(segments))
    others = [] if order.grammar else islice(decoder.nbest(), _EXAMINED)
    return (best, *_alternatives(best, others))


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


def utterance_confidence(segments: Sequence[Segment], calibration: tuple[float, float, float]) -> float:
    """Return from 0 to 1 how sure it is that the words were said.

    Acoustic scores are relative to the best sound of each frame, whichever word it belongs to. Their mean tells
    speech that fits the words from speech that was forced into them.
    """
    frames = sum(segment.end_frame - segment.start_frame + 1 for segment in segments)
    acoustic = sum(_log(segment.ascore) for segment in segments) / frames
    posterior = sum(_log(min(segment.prob, 1.0)) for segment in segments) / len(segments)
    return _logistic(calibration[0] * acoustic + calibration[1] * posterior + calibration[2])


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


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, value))))
