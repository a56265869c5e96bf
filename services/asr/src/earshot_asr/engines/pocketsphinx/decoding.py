"""A decoder and what its scores mean. Runs in a worker process; the only module that knows pocketsphinx."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from earshot_asr.engines.pocketsphinx.evidence import Evidence, confidence
from earshot_asr.engines.pocketsphinx.likeness import likeness, likeness_by_sounds
from earshot_asr.engines.pocketsphinx.orders import Heard, LoadOrder, Reading
from earshot_asr.vocabulary.automaton import Automaton
from earshot_asr.vocabulary.languages import Kind
from earshot_asr.vocabulary.places import says, stands_for

FRAMES_PER_SECOND: Final = 100
MOST_READINGS: Final = 5
SHORTEST_BYTES: Final = 3200
"""A tenth of a second: no word is shorter, and the decoder does not accept less than some frames."""
# Readings that differ in silences only come one after the other.
_EXAMINED: Final = 100
_VARIANT: Final = re.compile(r"\(\d+\)$")
_LEAST: Final = 1e-300
_TELLING_FRAMES: Final = 9
GRAMMAR_SCALE: Final = 1024.0
"""What logarithms of a grammar's search are short of those of a language model's: it tells the sums that it has shifted."""
_BEGIN: Final = "<s>"
_END: Final = "</s>"
_NO_WORD: Final = re.compile(r"^(<.*>|\[.*\]|\+\+.*\+\+|\(NULL\))$")


class _Segment(Protocol):
    """One stretch of the best reading, as pocketsphinx gives it."""

    word: str
    start_frame: int
    end_frame: int
    ascore: float
    prob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known of a bundle's sentences.

    Attributes:
        likeliest: By context, what the likeliest word is worth in the language model.
        sentences: What a whole sentence is; None: not known.
    """

    likeliest: Mapping[str, float]
    sentences: Automaton | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One word of a reading.

    Attributes:
        word: The word, without marks.
        start_frame: Its first.
        end_frame: Its last.
        fit: Logarithm of how well it fits the sound, relative to the best sound of each frame.
        posterior: From 0 to 1, how little else the search had in mind.
    """

    word: str
    start_frame: int
    end_frame: int
    fit: float
    posterior: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found.

    Attributes:
        spoken: Its words; none: it has found nothing.
        fit: How well all of it fits the sound, silence included: the mean of what `Spoken.fit` is of each frame.
    """

    spoken: tuple[Spoken, ...] = ()
    fit: float = 0.0

    @property
    def words(self) -> tuple[str, ...]:
        """The words alone."""
        return tuple(one.word for one in self.spoken)


FindSentence = Callable[[], Found]
"""Searches the same utterance for a whole sentence."""


def make_decoder(order: LoadOrder) -> Any:
    """Make a decoder.

    Raises:
        RuntimeError: Its files are not as they should be.
    """
    from pocketsphinx import Decoder  # noqa: PLC0415 - not for the service's own process

    settings: dict[str, Any] = {
        "dict": order.dictionary,
        "loglevel": "FATAL",
        "cmn": "batch",
        "lm": order.model,
        **order.search,
    }
    if order.acoustic:
        settings["hmm"] = order.acoustic
    return Decoder(**settings)


def read_knowledge(order: LoadOrder) -> Knowledge:
    """Return what is known of a bundle's sentences.

    Raises:
        OSError: A file is not there.
        ValueError: It is not as it should be.
        KeyError: The same.
    """
    likeliest: dict[str, float] = _read(order.likeliest) if order.likeliest else {}
    sentences = Automaton.from_json(_read(order.sentences)) if order.sentences else None
    return Knowledge(likeliest=likeliest, sentences=sentences)


def _read(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return loaded


def begin(decoder: Any) -> None:
    """Begin an utterance without what the last one taught about its microphone and the noise behind it."""
    decoder.reinit_feat()
    decoder.start_utt()


def words_so_far(decoder: Any) -> tuple[str, ...]:
    """Return the words of the best reading of what was fed."""
    hypothesis = decoder.hyp()
    return plain_words(hypothesis.hypstr.split()) if hypothesis else ()


def decode_whole(
    decoder: Any, pcm: bytes, order: LoadOrder, knowledge: Knowledge, grammar: Callable[[], Any]
) -> tuple[Reading, ...]:
    """Return the readings of a whole utterance, best first; none where no words were found.

    Args:
        decoder: Of the language model.
        pcm: The utterance.
        order: The decoder's.
        knowledge: What is known of the sentences.
        grammar: Returns a decoder of whole sentences only; None: there is none.
    """
    if len(pcm) < SHORTEST_BYTES:
        return ()

    def find() -> Found:
        strict = grammar()
        if strict is None:
            return Found()
        begin(strict)
        strict.process_raw(pcm, full_utt=True)
        strict.end_utt()
        return _likeliest(strict, GRAMMAR_SCALE * order.fit_scale)

    begin(decoder)
    decoder.process_raw(pcm, full_utt=True)
    return conclude(decoder, order, knowledge, find)


def conclude(decoder: Any, order: LoadOrder, knowledge: Knowledge, find: FindSentence = Found) -> tuple[Reading, ...]:
    """End an utterance and return its readings, best first; none where no words were found.

    Args:
        decoder: Of the language model, which has had the utterance.
        order: The decoder's.
        knowledge: What is known of the sentences.
        find: Asked for a sentence where the likeliest words are none, or in any case (`LoadOrder.sentences_first`).
    """
    # What the first pass over the tree of all words has found, before the second looks at the likely ones closely.
    quick = words_so_far(decoder)
    decoder.end_utt()
    likeliest = _likeliest(decoder, order.fit_scale)
    if not likeliest.spoken:
        return ()
    whole = knowledge.sentences is None or knowledge.sentences.accepts(likeliest.words)
    sentence = likeliest if whole and not order.sentences_first else find()
    if whole and not sentence.spoken:
        sentence = likeliest
    chosen = sentence if sentence.spoken else likeliest
    words = chosen.words
    scores = _scores(chosen.spoken)
    if chosen is not likeliest:
        # The grammar has nothing else in mind. How sure the search was is told by its own words.
        free = _scores(likeliest.spoken)
        scores |= {
            "posterior": free["posterior"],
            "least": free["least"],
            "margin": sentence.fit - likeliest.fit,
        }
    evidence = Evidence(
        **scores,
        **_language(decoder, words, knowledge.likeliest),
        agreement=_alike(decoder, order, words, quick),
        whole=_alike(decoder, order, words, likeliest.words) if sentence.spoken else 0.0,
    )
    best = Reading(
        words=_plainly(words),
        confidence=confidence(evidence, order.calibration),
        heard=_heard(chosen.spoken),
        evidence=evidence.values(),
    )
    others = [other for other in _others(decoder, likeliest.words) if other != words]
    return (best, *_alternatives(best, others, knowledge.sentences))


def _alike(decoder: Any, order: LoadOrder, one: Sequence[str], other: Sequence[str]) -> float:
    # Which of another language's phones are taken for each other is not known.
    return likeness_by_sounds(decoder, one, other) if order.kind == Kind.ENGLISH else likeness(one, other)


def _likeliest(decoder: Any, scale: float) -> Found:
    """Return the likeliest path; logarithms of how well it fits are multiplied by `scale`."""
    segments: list[_Segment] = list(decoder.seg()) if decoder.hyp() else []
    frames = sum(segment.end_frame - segment.start_frame + 1 for segment in segments)
    fit = sum(scale * _log(segment.ascore) for segment in segments) / frames if frames else 0.0
    spoken = tuple(
        Spoken(
            word=bare(segment.word),
            start_frame=segment.start_frame,
            end_frame=segment.end_frame,
            fit=scale * _log(segment.ascore),
            posterior=min(1.0, segment.prob),
        )
        for segment in segments
        if is_word(segment.word)
    )
    return Found(spoken, fit)


def _scores(spoken: Sequence[Spoken]) -> dict[str, float]:
    """Return what the search says of its words; acoustic scores are relative to the best sound of each frame."""
    frames = [one.end_frame - one.start_frame + 1 for one in spoken]
    # A word of a few frames fits badly or well by chance.
    by_word = [one.fit / count for one, count in zip(spoken, frames, strict=True) if count >= _TELLING_FRAMES]
    posteriors = [_log(one.posterior) for one in spoken]
    mean = sum(one.fit for one in spoken) / sum(frames)
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
        scores.append(min(0.0, score - _best([stands_for(word) for word in before], likeliest)))
    return {"language": sum(scores) / len(scores), "oddest": min(scores)}


def _best(before: Sequence[str], likeliest: Mapping[str, float]) -> float:
    contexts = (" ".join(before[start:]) for start in range(len(before) + 1))
    return next((likeliest[context] for context in contexts if context in likeliest), 0.0)


def _others(decoder: Any, likeliest: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = (plain_words(one.hypstr.split()) for one in islice(decoder.nbest(), _EXAMINED) if one is not None)
    return [words for words in dict.fromkeys((likeliest, *found)) if words]


def _alternatives(best: Reading, others: Sequence[tuple[str, ...]], sentences: Automaton | None) -> list[Reading]:
    """Return what else it may have been: whole sentences before those that are none."""
    further = list(others)
    if sentences is not None:
        further.sort(key=sentences.accepts, reverse=True)
    # Scores of whole readings are not comparable with posteriors; the rank is.
    return [
        Reading(words=_plainly(words), confidence=best.confidence / (rank + 2))
        for rank, words in enumerate(further[: MOST_READINGS - 1])
    ]


def _heard(spoken: Sequence[Spoken]) -> tuple[Heard, ...]:
    heard: list[Heard] = []
    for one in spoken:
        words = _plainly((one.word,))
        # Where a household's own word is several, nobody knows where in it each begins.
        length = (one.end_frame + 1 - one.start_frame) / len(words)
        heard += [
            Heard(
                word=word,
                start=(one.start_frame + place * length) / FRAMES_PER_SECOND,
                end=(one.start_frame + (place + 1) * length) / FRAMES_PER_SECOND,
                confidence=one.posterior,
            )
            for place, word in enumerate(words)
        ]
    return tuple(heard)


def _plainly(words: Iterable[str]) -> tuple[str, ...]:
    """Return words as they are said, also those of a household's own."""
    return tuple(part for word in words for part in says(word))


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
