"""Dialogues whose every turn rests on what the one before left in the session: a question, its answer, a note, a repetition.

    "take a note" ─ "What shall I note?" ─ <digest> ─ "Noted <digest>." ─ "read my note" ─ "Your note says <digest>."
    ─ "repeat that" ─ "Your note says <digest>."

The answer is spoken as the digest of its own samples, so each dialogue has a word of its own: a session that is lost, or
another one's, is another answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from chaos.codewords import DIGEST_PLACE, LOCALES
from chaos.lines import Subject, line
from chaos.phases import Board
from chaos.speaking import Line, Speaker
from chaos.system import device_settings
from earshot_local.stack import Stack

TURNS: Final = 4
_TAKE: Final = {"en-US": ("take a note", "What shall I note?"), "zh-CN": ("记一条笔记", "要记什么？")}
_TAKEN: Final = {"en-US": f"Noted {DIGEST_PLACE}.", "zh-CN": f"记下了{DIGEST_PLACE}。"}
_READ: Final = {"en-US": ("read my note", "Your note says {}."), "zh-CN": ("念我的笔记", "笔记上写的是{}。")}
_REPEAT: Final = {"en-US": "repeat that", "zh-CN": "再说一遍"}


def dialogues(
    seed: str, locale: str, *, seconds: tuple[float, float] = (0.6, 1.2), pause_s: float = 0.1
) -> Iterator[Line]:
    """Yield what one user says, without end.

    Args:
        seed: Decides all of it.
        locale: Of the user.
        seconds: Shortest and longest utterance.
        pause_s: After each turn.
    """
    chance = random.Random(seed)

    def says(said: str, answer: str) -> Line:
        subject = Subject(name="note", said=_only(locale, said), answer=_only(locale, answer))
        return line(subject, locale, seconds=chance.uniform(*seconds), seed=chance.getrandbits(32), pause_s=pause_s)

    while True:
        yield says(*_TAKE[locale])
        noted = says(DIGEST_PLACE, _TAKEN[locale])
        yield noted
        said, answer = _READ[locale]
        read = answer.format(noted.utterance.transcript)
        yield says(said, read)
        yield says(_REPEAT[locale], read)


def whole_dialogues(stop: asyncio.Event, lines: Iterator[Line]) -> Iterator[Line]:
    """Yield lines to the end of the dialogue in which it is time to stop."""
    while not stop.is_set():
        yield from islice(lines, TURNS)


def speaker(system: Stack, number: int, lines: Iterator[Line], board: Board, **options: Any) -> Speaker:
    """Return a user whose device is as fast as its test can be."""
    paces: dict[str, Any] = {"capture_speed": 2.0, "playback_speed": 4.0}
    settings = device_settings(system, number, LOCALES[number % len(LOCALES)], **(paces | options))
    return Speaker(settings, board, lines)


def _only(locale: str, text: str) -> Mapping[str, str]:
    return {locale: text}
