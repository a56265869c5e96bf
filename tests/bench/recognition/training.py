"""Learns from the tuning half what a reading's evidence is worth, and writes a model's coefficients.

    PYTHONPATH=tests EARSHOT_DATA=… .venv/bin/python -m bench.recognition.training [en-US|zh-CN|zh-CN-builtin]
        [--clips N] [--dry]

Every clip is decoded as a worker process does it. A reading counts as right when our NLU makes the right intent and slots
of it, for synthesised commands those that it makes of their text, or when it is right word for word; everything else,
other speech included, is wrong. Speech that is for us and speech that is not weigh the same in sum. Weights are at least 0: more of a good thing
never makes a reading less sure.

What is printed is cross-validated: each reading is judged by weights that were learned without its group (who a clip sounds
like, which wake word, which sentence). Beside it stands what the weights that are in use do; where those are better they stay,
and only the limit is chosen anew. `--dry` writes nothing. What was heard is kept in build/results/heard (`heard`).
For Mandarin, commands are synthesised alone, each by one of the voices, and what is not for us is synthesised Mandarin and English,
and English recordings: the few Mandarin ones are kept for the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import soundfile

from bench.recognition.clips import RATE, Clip, Recordings, mixed, read_recordings, to_pcm
from bench.recognition.coffee import INTENT, coffee_document
from bench.recognition.evaluating import ENGLISH, MANDARIN, SNRS_DB
from bench.recognition.fitting import Row, choose, cross_validated, fit, limits, loss, reliability, sureness
from bench.recognition.halving import chosen
from bench.recognition.heard import Heard
from bench.recognition.saying import commands, other
from bench.recognition.scoring import same_meaning, same_words
from bench.recognition.skills import coffee, documents, registered
from bench.recognition.talkers import talkers
from bench.results import RESULTS
from earshot_asr.engines.pocketsphinx import acoustic
from earshot_asr.engines.pocketsphinx.acoustic import AcousticModel
from earshot_asr.engines.pocketsphinx.bundles import BundleStore
from earshot_asr.engines.pocketsphinx.decoders import Decoders
from earshot_asr.engines.pocketsphinx.orders import Reading
from earshot_asr.vocabulary.tokens import join
from earshot_nlu.understanding.interpreter import Interpreter
from support.data import data_folder
from support.understanding import SkillWords, meaning, taught, utterance

_MODELS = (ENGLISH, MANDARIN, "zh-CN-builtin")
_KEPT = RESULTS / "heard"
_ENGLISH_EACH = 6
"""Of English, every so manieth is heard by Mandarin models."""
_LONGEST_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Something to decode.

    Attributes:
        kind: Which set.
        group: Whose it is, or which sentence.
        pcm: Its audio.
        coffee: Whether the coffee grammar is registered.
        text: What is right word for word; empty: nothing, or the slots.
        slots: What is right by meaning.
    """

    kind: str
    group: str
    pcm: bytes
    coffee: bool = True
    text: str = ""
    slots: dict[str, str] | None = None


def examples(recordings: Recordings, most: int | None) -> Iterator[Example]:
    """Yield the tuning half, one at a time; at most so many coffee commands."""
    yield from synthesised(ENGLISH)
    half = chosen(recordings, "tune")
    for clip in half.other:
        yield Example(kind="other", group=_source(clip), pcm=to_pcm(clip.samples()))
    noise = soundfile.read(recordings.noise, dtype="float32")[0]
    said_by = talkers(half.commands)
    for number, (clip, talker, snr) in enumerate(zip(half.commands[:most], said_by, cycle(SNRS_DB), strict=False)):
        samples, group = clip.samples(), f"talker {talker}"
        yield Example(kind="clean", group=group, pcm=to_pcm(samples), slots=clip.slots)
        yield Example(kind="noise", group=group, pcm=to_pcm(mixed(samples, noise, snr, number)), slots=clip.slots)
        yield Example(kind="unregistered", group=group, pcm=to_pcm(samples), coffee=False)


def _source(clip: Clip) -> str:
    return clip.path.parent.name if clip.name.startswith("wake/") else clip.name


def synthesised(locale: str) -> Iterator[Example]:
    """Yield the sentences of the tuning half that are synthesised."""
    for one in commands(locale, "tune"):
        yield Example(kind="synth", group=one.text, pcm=one.pcm(), text=one.text)
    for one in other(locale, "tune"):
        yield Example(kind="synth_other", group=one.text, pcm=one.pcm())


async def decoders(
    words: list[SkillWords], cache: Path, model: AcousticModel | None = None
) -> tuple[Decoders, dict[str, str]]:
    """Return decoders for the sentences of some skills, and how their words are written; English by default."""
    hears = model or acoustic.english()
    bundle = await BundleStore(cache).get(hears, documents(words)[hears.locale])
    return Decoders(bundle.order), bundle.spellings


def mandarin_examples(recordings: Recordings | None) -> Iterator[Example]:
    """Yield what Mandarin models are tuned on: each sentence by one voice, and some English, which they must not take."""
    places: dict[str, int] = {}
    voices = list(dict.fromkeys(one.voice for one in commands(MANDARIN, "tune")))
    for example, voice in zip(synthesised(MANDARIN), _voices(), strict=True):
        place = places.setdefault(example.group, len(places))
        if voices[place % len(voices)] == voice:
            yield example
    for number, example in enumerate(synthesised(ENGLISH)):
        if number % _ENGLISH_EACH == 0:
            yield replace(example, kind="english", text="")
    for clip in chosen(recordings, "tune").other[::_ENGLISH_EACH] if recordings else ():
        yield Example(kind="other", group=_source(clip), pcm=to_pcm(clip.samples()[: _LONGEST_S * RATE]))


def _voices() -> list[str]:
    return [one.voice for one in (*commands(MANDARIN, "tune"), *other(MANDARIN, "tune"))]


def decode_mandarin(model: AcousticModel, recordings: Recordings | None, cache: Path) -> list[Row]:
    """Return evidence and truth of every Mandarin example."""
    ears, spellings = asyncio.run(decoders(registered(), cache, model))
    heard = Heard(ears, _KEPT)
    rows: list[Row] = []
    for example in mandarin_examples(recordings):
        found = heard.readings(example.pcm)
        said = join(found[0].words, spellings) if found else ""
        rows.append(_row(example, said, bool(example.text) and same_words(said, example.text), found))
        print(f"\r{len(rows)} {example.kind}      ", end="", flush=True)
    print()
    return rows


def decode(recordings: Recordings, cache: Path, most: int | None) -> list[Row]:
    """Return evidence and truth of every English example."""
    skills = registered()
    both = [*skills, coffee(coffee_document(recordings.grammar))]
    interpreter = taught(both)
    with_coffee, spellings = asyncio.run(decoders(both, cache))
    without, _ = asyncio.run(decoders(skills, cache))
    ears = {True: Heard(with_coffee, _KEPT), False: Heard(without, _KEPT)}
    rows: list[Row] = []
    for example in examples(recordings, most):
        found = ears[example.coffee].readings(example.pcm)
        said = join(found[0].words, spellings) if found else ""
        right = _is_right(interpreter, said, example)
        rows.append(_row(example, said, right, found))
        print(f"\r{len(rows)} {example.kind}      ", end="", flush=True)
    print()
    return rows


def _is_right(interpreter: Interpreter, said: str, example: Example) -> bool:
    intent, slots = understood(interpreter, said)
    if example.slots is not None:
        return same_meaning(intent, slots, INTENT, example.slots)
    wanted, wanted_slots = understood(interpreter, example.text)
    means_it = bool(wanted) and same_meaning(intent, slots, wanted, wanted_slots)
    return bool(example.text) and (means_it or same_words(said, example.text))


def understood(interpreter: Interpreter, said: str) -> tuple[str, dict[str, object]]:
    """Return the intent and slots that our NLU makes of a text; nothing of nothing."""
    hypotheses = interpreter.interpret(utterance(said)).hypotheses if said else ()
    return meaning(hypotheses[0] if hypotheses else None)


def _row(example: Example, said: str, right: bool, found: Sequence[Reading]) -> Row:  # noqa: FBT001 - a column
    evidence = found[0].evidence if found else {}
    return Row(kind=example.kind, group=example.group, said=said, right=right, evidence=evidence)


def main() -> None:
    """Hear what was not heard yet, fit, print what limits would do, write the coefficients if they are better."""
    parser = argparse.ArgumentParser(prog="bench.recognition.training")
    parser.add_argument("model", nargs="?", choices=_MODELS, default=ENGLISH, help="which coefficients")
    parser.add_argument("--clips", type=int, help="at most so many coffee commands")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="earshot-training-") as cache:
        model, rows = _decode(arguments.model, Path(cache), arguments.clips)
    present = model.calibration
    now, refitted = sureness(rows, present.weights()), cross_validated(rows)
    for name, sure in (("present", now), ("refitted", refitted)):
        print(f"{name}: loss {loss(rows, sure):.4f}\n{limits(rows, sure)}\n{reliability(rows, sure)}")
    better = loss(rows, refitted) < loss(rows, now)
    print("the refitted weights are better" if better else "the present weights are better and stay")
    learned: dict[str, object] = {"weights": fit(rows), "limit": choose(rows, refitted), "examples": len(rows)}
    if not better:
        learned = {"weights": present.weights(), "limit": choose(rows, now)}
    print(json.dumps(learned, indent=2))
    if not arguments.dry:
        file = Path(acoustic.__file__).parent / "calibration" / f"{arguments.model}.json"
        file.write_text(json.dumps(learned, indent=2) + "\n")


def _decode(name: str, cache: Path, most: int | None) -> tuple[AcousticModel, list[Row]]:
    folder = data_folder()
    recordings = read_recordings(folder / "speech") if folder else None
    if name == "zh-CN-builtin":
        model = acoustic.mandarin(None)
        return model, decode_mandarin(model, recordings, cache)
    if folder is None or recordings is None:
        raise SystemExit("there is nothing to learn from: set EARSHOT_DATA")
    if name == MANDARIN:
        model = acoustic.mandarin(folder / "models" / "zh-CN-tdt")
        return model, decode_mandarin(model, recordings, cache)
    return acoustic.english(), decode(recordings, cache, most)


if __name__ == "__main__":
    main()
