"""Bundles on disk: what was made once for the same templates is not made again, also not after a restart."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earshot_asr.engines.base import Locale
from earshot_asr.engines.errors import RecognizerUnavailableError, VocabularyInvalidError
from earshot_asr.engines.pocketsphinx.acoustic import AcousticModel
from earshot_asr.engines.pocketsphinx.orders import (
    DICTIONARY_FILE,
    GRAMMAR_FILE,
    LIKELIEST_FILE,
    MODEL_FILE,
    SENTENCES_FILE,
    SUMMARY_FILE,
    LoadOrder,
)
from earshot_asr.vocabulary.pronunciation.ipa import to_arpabet

FORMAT: Final = 9
"""Part of every key: raise it when the same templates shall give other files."""
UNUSED_S: Final = 7 * 24 * 3600.0
"""How long a bundle stays on disk without being asked for; services that share the directory may still have it loaded."""
ASK_TIMEOUT_S: Final = 1.0
_LINE_LIMIT: Final = 1 << 24

Pronouncer = Callable[[Locale, Sequence[str]], Awaitable[Mapping[str, str]]]
"""Says how words that no dictionary has are pronounced: word → IPA; words that it does not know are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBundle:
    """A bundle on disk.

    Attributes:
        order: What a worker is told to load it.
        spellings: How words are written where that differs.
        words: Number of words.
        problems: What had to be left out and why.
    """

    order: LoadOrder
    spellings: dict[str, str]
    words: int
    problems: tuple[str, ...]


class _Places:
    """Where the bundle of a key lies: a better one, for which unknown words were asked, has a place of its own.

    Nothing is ever changed in its place, because another service may be about to load it.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.guessed = root / key
        self.told = root / f"{key}-told"


class BundleStore:
    """Makes bundles and keeps them in a directory, which several services may share."""

    def __init__(self, folder: Path, pronouncer: Pronouncer | None = None) -> None:
        """Make a store.

        Args:
            folder: Where bundles are kept; made when needed.
            pronouncer: Asked for words that the dictionary lacks; None: they are said by rules.
        """
        self._folder = folder
        self._pronouncer = pronouncer

    async def get(self, acoustic: AcousticModel, documents: Sequence[str]) -> StoredBundle:
        """Return the bundle for some templates, made if it is not there.

        Raises:
            VocabularyInvalidError: No template can be used.
            RecognizerUnavailableError: It could not be made.
        """
        told = self._pronouncer is not None
        places = _Places(self._folder, _key(acoustic, documents))
        stored = await asyncio.to_thread(_read, places.told if told else places.guessed, acoustic)
        if stored is not None:
            return stored
        await asyncio.to_thread(_make_room, self._folder)
        await self._build(places, acoustic, documents)
        stored = await asyncio.to_thread(_read, places.told if told else places.guessed, acoustic)
        stored = stored or await asyncio.to_thread(_read, places.guessed, acoustic)
        if stored is None:
            raise RecognizerUnavailableError("the bundle vanished while it was made")
        return stored

    async def _build(self, places: _Places, acoustic: AcousticModel, documents: Sequence[str]) -> None:
        arguments = (sys.executable, "-m", "earshot_asr.engines.pocketsphinx.builder")
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments, stdin=PIPE, stdout=PIPE, limit=_LINE_LIMIT, start_new_session=True
            )
        except OSError as error:
            raise RecognizerUnavailableError(f"no process to make a vocabulary: {error}") from error
        try:
            await self._converse(process, places, acoustic, documents)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _converse(
        self, process: Process, places: _Places, acoustic: AcousticModel, documents: Sequence[str]
    ) -> None:
        order = {
            "kind": acoustic.kind,
            "locale": acoustic.locale,
            "dictionary": str(acoustic.dictionary),
            "documents": list(documents),
            "ask": self._pronouncer is not None,
            "told_folder": str(places.told),
            "guessed_folder": str(places.guessed),
        }
        answer = await _ask(process, order)
        if "unknown" in answer:
            answer = await _ask(process, {"told": await self._pronounce(acoustic.locale, answer["unknown"])})
        if "failed" in answer:
            raise VocabularyInvalidError(f"{acoustic.locale}: {answer['failed']}")

    async def _pronounce(self, locale: Locale, words: Sequence[str]) -> dict[str, list[list[str]]] | None:
        if self._pronouncer is None:
            return None
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                told = await self._pronouncer(locale, words)
        except Exception:  # noqa: BLE001 - whoever is asked may fail in any way; the rules say the words then
            return None
        return {word: [list(to_arpabet(ipa))] for word, ipa in told.items() if to_arpabet(ipa)}


async def _ask(process: Process, line: Mapping[str, Any]) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise RecognizerUnavailableError("the process that makes a vocabulary has no pipes")
    try:
        process.stdin.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        await process.stdin.drain()
        answer = await process.stdout.readline()
    except ConnectionError:
        answer = b""
    if not answer:
        raise RecognizerUnavailableError("the process that makes a vocabulary ended early")
    loaded: dict[str, Any] = json.loads(answer)
    return loaded


def _key(acoustic: AcousticModel, documents: Sequence[str]) -> str:
    status = acoustic.dictionary.stat()
    parts = [FORMAT, acoustic.kind, acoustic.locale, status.st_size, status.st_mtime_ns, list(documents)]
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
    return f"{acoustic.locale}-{acoustic.kind}-{digest[:16]}"


def _read(folder: Path, acoustic: AcousticModel) -> StoredBundle | None:
    try:
        summary: dict[str, Any] = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        folder.touch()
    except (OSError, ValueError):
        return None
    order = LoadOrder(
        key=folder.name,
        acoustic=str(acoustic.folder or ""),
        model=str(folder / MODEL_FILE),
        likeliest=str(folder / LIKELIEST_FILE),
        sentences=str(folder / SENTENCES_FILE),
        sentences_grammar=str(folder / GRAMMAR_FILE),
        dictionary=str(folder / DICTIONARY_FILE),
        search=dict(acoustic.search),
        sentences_search=dict(acoustic.sentences_search),
        sentences_first=acoustic.sentences_first,
        fit_scale=acoustic.fit_scale,
        calibration=acoustic.calibration.weights(),
        kind=acoustic.kind,
        locale=acoustic.locale,
        words=str(acoustic.dictionary),
    )
    return StoredBundle(
        order=order,
        spellings=summary["spellings"],
        words=summary["words"],
        problems=tuple(summary["problems"]),
    )


def _make_room(root: Path) -> None:
    """Remove what nobody has asked for in a long time, and what a builder that was killed left behind."""
    root.mkdir(parents=True, exist_ok=True)
    for path in root.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > UNUSED_S:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
