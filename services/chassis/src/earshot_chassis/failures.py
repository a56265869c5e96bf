"""How exceptions are logged: their types and where they were raised, never their messages.

The message of somebody else's exception may hold what a user said: KeyError('Tokyo'). Local variables do. Our own errors
are told by their code; where their message is wanted, the caller logs it as `reason`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from traceback import walk_tb
from types import TracebackType
from typing import Any

from earshot_chassis.errors import EarshotError

_MOST_FRAMES = 40
_MOST_ERRORS = 10
_log = logging.getLogger("earshot.asyncio")


def described(error: BaseException) -> str:
    """Return an exception's type and frames (file:line function, outermost first), and those of what it came from.

    Of a long stack the innermost frames are told, of a long chain the exceptions nearest to the one that was raised.
    """
    lines: list[str] = []
    for number, (relation, each) in enumerate(_chain(error)):
        if number == _MOST_ERRORS:
            lines.append("…")
            break
        lines.append(f"{relation}{_name(each)}")
        lines += [f"  {frame}" for frame in _frames(each.__traceback__)]
    return "\n".join(lines)


def without_messages(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace a log event's `exc_info` by `exception`, its description; structlog's processor."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given if isinstance(given, BaseException) else None
    if error is None and given is True:
        error = sys.exception()
    if error is not None:
        event["exception"] = described(error)
    return event


class Formatter(logging.Formatter):
    """Formats records of the standard library's loggers with exceptions as `described` tells them."""

    def formatException(  # noqa: N802 - the standard library's name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return the description of an exception."""
        return described(ei[1]) if ei[1] is not None else ""


class JsonFormatter(Formatter):
    """Formats records of the standard library's loggers as lines of the same JSON that our own are.

    Args:
        bound: What every line holds.
    """

    def __init__(self, bound: Mapping[str, str]) -> None:
        super().__init__()
        self._bound = dict(bound)

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line = self._bound | {
            "logger": record.name,
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what an event loop has nobody to tell; its exception handler. The default one prints tasks and arguments."""
    error = context.get("exception")
    what = str(context.get("message", "")).partition(" in callback")[0]
    _log.error("event loop: %s", what, exc_info=error if isinstance(error, BaseException) else None)


def _name(error: BaseException) -> str:
    kind = type(error)
    code = f" [{error.code}]" if isinstance(error, EarshotError) else ""
    return f"{kind.__module__}.{kind.__qualname__}{code}".removeprefix("builtins.")


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}" for frame, line in walk_tb(traceback)]
    left_out = len(frames) - _MOST_FRAMES
    return frames if left_out <= 0 else [f"… {left_out} frames", *frames[left_out:]]


def _chain(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    waiting: list[tuple[str, BaseException]] = [("", error)]
    seen: set[int] = set()
    while waiting:
        relation, each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield relation, each
        if isinstance(each, BaseExceptionGroup):
            waiting += [("among them ", inner) for inner in each.exceptions]
        if each.__cause__ is not None:
            waiting.append(("caused by ", each.__cause__))
        elif each.__context__ is not None and not each.__suppress_context__:
            waiting.append(("while handling ", each.__context__))
