"""A process that makes one bundle and ends: making it keeps a core busy, and the tables for it fill 80 MB.

It reads one JSON line with a `BuildOrder`. Where pronunciations may be asked for, it writes a line
`{"unknown": [words]}` and reads `{"told": {word: [[phones]]}}`, or `{"told": null}` if nobody answered. Its last line is
`{"done": …}` or `{"failed": reason}`.

Replicas that share a directory want the same bundle at the same moment, when a skill comes or goes: one makes it, the others wait.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from earshot_asr.engines.pocketsphinx.orders import (
    DICTIONARY_FILE,
    GRAMMAR_FILE,
    LIKELIEST_FILE,
    MODEL_FILE,
    SENTENCES_FILE,
    SUMMARY_FILE,
)
from earshot_asr.vocabulary.build import Bundle, NothingToHearError, make_bundle, read_sentences
from earshot_asr.vocabulary.dictionary import Phones
from earshot_asr.vocabulary.languages import Kind, open_language


def main() -> None:
    """Make the bundle that standard input orders."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        # What a library prints must not end up among the answers.
        os.dup2(2, 1)
        # Graphs are a million small objects that live to the end: looking for cycles among them takes a third of the time.
        gc.disable()
        run(sys.stdin, output)


def run(source: TextIO, sink: TextIO) -> None:
    """Read the order, make the bundle, answer."""
    order: dict[str, Any] = json.loads(source.readline())
    wanted = Path(order["told_folder" if order["ask"] else "guessed_folder"])
    with _alone(wanted):
        if wanted.is_dir():
            _say(sink, {"done": True})
        else:
            _make(order, source, sink)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold back others that make the same bundle; who is killed holds nobody back."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(order: dict[str, Any], source: TextIO, sink: TextIO) -> None:
    told: dict[str, tuple[Phones, ...]] = {}
    answered = True
    with open_language(Kind(order["kind"]), order["locale"], Path(order["dictionary"]), told) as language:
        sentences = read_sentences(order["documents"], language)
        unknown = language.unknown(sentences.words()) if order["ask"] else []
        if unknown:
            _say(sink, {"unknown": unknown})
            answer: dict[str, list[list[str]]] | None = json.loads(source.readline())["told"]
            answered = answer is not None
            told.update({word: tuple(tuple(way) for way in ways) for word, ways in (answer or {}).items()})
        try:
            bundle = make_bundle(sentences, language)
        except NothingToHearError as error:
            _say(sink, {"failed": str(error)})
            return
    _write(bundle, Path(order["told_folder" if answered and order["ask"] else "guessed_folder"]))
    _say(sink, {"done": True})


def _write(bundle: Bundle, folder: Path) -> None:
    """Write the files beside their place first, so that nobody ever sees half a bundle."""
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    beside.mkdir(parents=True)
    (beside / MODEL_FILE).write_text(bundle.model, encoding="utf-8")
    (beside / LIKELIEST_FILE).write_text(json.dumps(bundle.likeliest, ensure_ascii=False), encoding="utf-8")
    sentences = json.dumps(bundle.sentences.to_json(), ensure_ascii=False)
    (beside / SENTENCES_FILE).write_text(sentences, encoding="utf-8")
    (beside / GRAMMAR_FILE).write_text(bundle.grammar, encoding="utf-8")
    (beside / DICTIONARY_FILE).write_text(bundle.dictionary, encoding="utf-8")
    summary = {
        "spellings": dict(bundle.spellings),
        "words": bundle.words,
        "problems": list(bundle.problems),
    }
    (beside / SUMMARY_FILE).write_text(json.dumps(summary, ensure_ascii=False), encoding="utf-8")
    try:
        beside.rename(folder)
    except OSError:
        # Another service was faster with the same bundle.
        shutil.rmtree(beside)
        if not folder.is_dir():
            raise


def _say(sink: TextIO, answer: dict[str, Any]) -> None:
    sink.write(json.dumps(answer, ensure_ascii=False) + "\n")
    sink.flush()


if __name__ == "__main__":
    main()
