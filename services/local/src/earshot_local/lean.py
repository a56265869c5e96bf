"""Runs a module as its image would: libraries go without what they import only where it is installed, and nobody here uses.

Usage: python -P lean.py MODULE [ARGUMENT ...]

nats-py imports aiohttp for servers behind WebSocket, structlog and httpx rich for coloured tracebacks and a command line,
FastStream uvicorn for its own, OpenTelemetry psutil for a detector that is off. An image has none of them. An environment of
the whole workspace has them all, for others, and there they take a third of the CPU of each process's start. It is run as
a file: the package that it lies in imports some of them.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

# By the module whose import of them fails, which it is prepared for.
_ABSENT = {
    "nats.aio.transport": ("aiohttp",),
    "structlog.dev": ("rich",),
    "structlog.tracebacks": ("rich",),
    "httpx._main": ("click", "rich"),
    "faststream._internal._compat": ("uvicorn",),
    "opentelemetry.sdk.resources": ("psutil",),
}


class _Finder(MetaPathFinder):
    """Finds these modules where they are, and has them run as if others were not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        names = _ABSENT.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if names else None
        if not names or spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_without(module: ModuleType) -> None:
            with _absent(names):
                run(module)

        spec.loader.exec_module = run_without  # type: ignore[method-assign]
        return spec


@contextmanager
def _absent(names: Sequence[str]) -> Iterator[None]:
    """Have imports of modules fail, unless they are there already and cost nothing any more."""
    hidden = {name: None for name in names if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def install() -> None:
    """Keep imports of this process lean from here on."""
    sys.meta_path.insert(0, _Finder())


def main() -> None:
    """Run the module that the first argument names, with the others as its own."""
    install()
    del sys.argv[0]
    runpy.run_path(str(Path(__file__).with_name("failing.py")))["install"](sys.argv[0])
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
