"""A decoder and what its scores mean. Runs in a worker process; the only module that knows pocketsphinx."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, Protocol

from earshot_asr.engines.pocketsphinx.evidence import Evidence, confidence, likeness
from earshot_asr.engines.pocketsphinx.lattice import Lattice, Spoken, Weights, best_sentence
from earshot_asr.engines.pocketsphinx.orders import Heard, LoadOrder, Reading
from earshot_asr.vocabulary.automaton import Automaton
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


def read_knowledge(order: LoadOrder) -> Knowledge:
    """Return what is known of a bundle's sentences.

    Raises:
        OSError: A file is not there.
        ValueError: It is not as it should be.
        KeyError: The same.
    """
    likeliest: dict[str, float] = _read(order.likeliest) if order.likeliest else {}
    # A closed grammar finds nothing but whole sentences.
    whole = order.sentences and not order.grammar
    return Knowledge(likeliest=likeliest, sentences=Automaton.from_json(_read(order.sentences)) if whole else None)


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


def decode_whole(decoder: Any, pcm: bytes, order: LoadOrder, knowledge: Knowledge) -> tuple[Reading, ...]:
    """Return the readings of a whole utterance, best first; none where no words were found."""
    if len(pcm) < SHORTEST_BYTES:
        return ()
    begin(decoder)
    decoder.process_raw(pcm, full_utt=True)
    return conclude(decoder, order, knowledge)


def conclude(decoder: Any, order: LoadOrder, knowledge: Knowledge) -> tuple[Reading, ...]:
    """End an utterance and return its readings, best first; none where no words were found."""
    # What the first pass over the tree of all words has found, before the second looks at the likely ones closely.
    quick = words_so_far(decoder)
    decoder.end_utt()
    likeliest = _likeliest(decoder)
    if not likeliest:
        return ()
    chosen, whole = _whole(decoder, likeliest, order, knowledge)
    words = _texts(chosen)
    evidence = Evidence(
        **_scores(chosen),
        **({"language": 0.0, "oddest": 0.0} if order.grammar else _language(decoder, words, knowledge.likeliest)),
        agreement=likeness(words, quick),
        whole=whole,
    )
    best = Reading(
        words=_plainly(words),
        confidence=confidence(evidence, order.calibration),
        heard=_heard(chosen),
        evidence=evidence.values(),
    )
    others = [] if order.grammar else [other for other in _others(decoder, _texts(likeliest)) if other != words]
    return (best, *_alternatives(best, others, knowledge.sentences))


def _likeliest(decoder: Any) -> tuple[Spoken, ...]:
    """Return the words of the likeliest path."""
    segments: Iterable[_Segment] = decoder.seg() if decoder.hyp() else ()
    return tuple(
        Spoken(
            word=bare(segment.word),
            start_frame=segment.start_frame,
            end_frame=segment.end_frame,
            fit=_log(segment.ascore),
            posterior=min(1.0, segment.prob),
        )
        for segment in segments
        if is_word(segment.word)
    )


def _whole(
    decoder: Any, likeliest: tuple[Spoken, ...], order: LoadOrder, knowledge: Knowledge
) -> tuple[tuple[Spoken, ...], float]:
    """Return the reading to take, and how near it is to the likeliest path: 0 where it is no whole sentence.

    The likeliest path is taken if it is a sentence, else the likeliest sentence that the search has had in mind.
    """
    if knowledge.sentences is None or knowledge.sentences.accepts(_texts(likeliest)):
        return likeliest, 1.0
    lattice = _lattice(decoder)
    sentence = best_sentence(lattice, knowledge.sentences, Weights.of(order.search)) if lattice else ()
    if not sentence:
        return likeliest, 0.0
    return sentence, likeness(_texts(sentence), _texts(likeliest))


def _lattice(decoder: Any) -> Lattice | None:
    lattice = decoder.get_lattice()
    if lattice is None:
        return None
    with NamedTemporaryFile(prefix="earshot-lattice-") as file:
        lattice.write_htk(file.name)
        return Lattice.read(Path(file.name).read_text(encoding="utf-8"))


def _texts(spoken: Iterable[Spoken]) -> tuple[str, ...]:
    return tuple(one.word for one in spoken)


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
