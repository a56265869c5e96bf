"""What a process that fails shows: where its author's code did, not how we came to run it.

Of a traceback, frames of the process's own package stay, and everything below the last of them: what it called, and what failed
in there. Above that, frames of what runs it are left out: the fork server, the runtime of skills and services, the event loop.
So are they in the exceptions that caused this one. What fails without its author stays whole; EARSHOT_DEBUG=1 leaves all of it.

It is run as a file, as lean.py is.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

_HERE = str(Path(__file__).parent)
_RUNNING = frozenset({"earshot_local", "earshot_chassis", "earshot_skillkit", "asyncio", "uvloop", "runpy"})


def install(module: str) -> None:
    """Show failures of this process so, which runs a module."""
    if os.environ.get("EARSHOT_DEBUG"):
        return

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        folders = _folders(module)
        for each in _related(error):
            each.__traceback__ = _cut(each.__traceback__, folders)
        sys.__excepthook__(kind, error, error.__traceback__ if trace is not None else None)

    sys.excepthook = show


def _folders(module: str) -> tuple[str, ...]:
    spec = importlib.util.find_spec(module.partition(".")[0])
    places = [] if spec is None else spec.submodule_search_locations or [spec.origin or ""]
    return tuple(place for place in places if place)


def _related(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what caused it, and what it holds, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def _cut(trace: TracebackType | None, folders: Sequence[str]) -> TracebackType | None:
    steps: list[TracebackType] = []
    while trace is not None:
        steps.append(trace)
        trace = trace.tb_next
    theirs = [number for number, step in enumerate(steps) if _within(step, folders)]
    if not theirs:
        return steps[0] if steps else None
    kept = [step for number, step in enumerate(steps) if number > theirs[-1] or not _running(step, folders)]
    following: TracebackType | None = None
    for step in reversed(kept):
        following = TracebackType(following, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return following


def _within(step: TracebackType, folders: Sequence[str]) -> bool:
    return any(step.tb_frame.f_code.co_filename.startswith(folder + os.sep) for folder in folders)


def _running(step: TracebackType, folders: Sequence[str]) -> bool:
    """Tell whether a frame is of what runs the module, and not of the module."""
    if _within(step, folders):
        return False
    name = step.tb_frame.f_code.co_filename
    package = str(step.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in _RUNNING or name == "<frozen runpy>" or name.startswith(_HERE + os.sep)
