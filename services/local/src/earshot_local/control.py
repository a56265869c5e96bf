"""How commands in other terminals reach the running stack: a socket in its folder, which is for its user alone.

One line of JSON each way, and one command a connection:

    {"restart": "dice"}                                 ─►
    ◄─ {"processes": [Child.described(), …]}            those that run now
    ◄─ {"error": {"code": "not_ready", "message": "…"}}

A command that was begun is carried through, also when whoever gave it has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from earshot_chassis.tasks import end
from earshot_local.child import Child
from earshot_local.errors import BadCommandError, LocalError, NotRunningError

Restart = Callable[[str], Awaitable[Sequence[Child]]]

# The longest address that a socket has everywhere.
_LONGEST = 100
_MOST_BYTES = 65_536
_HEAR_S = 5.0
_END_S = 10.0


class Control:
    """Takes commands for a stack.

    Args:
        path: The socket.
        restart: Replaces a service's processes.
    """

    def __init__(self, path: Path, restart: Restart) -> None:
        self._path = path
        self._restart = restart
        self._server: asyncio.Server | None = None
        self._commands: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take commands from now on."""
        self._path.unlink(missing_ok=True)
        with _address(self._path) as address:
            self._server = await asyncio.start_unix_server(self._accept, address, limit=_MOST_BYTES)

    async def stop(self) -> None:
        """Take no more, and give up what is going on."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await end(self._commands, _END_S)
        self._path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="command")
        self._commands.add(command)
        command.add_done_callback(self._commands.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            try:
                answer: dict[str, Any] = {"processes": [child.described() for child in await self._obey(reader)]}
            except LocalError as error:
                answer = {"error": {"code": error.code, "message": str(error)}}
            with contextlib.suppress(OSError):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()

    async def _obey(self, reader: asyncio.StreamReader) -> Sequence[Child]:
        try:
            async with asyncio.timeout(_HEAR_S):
                command = json.loads(await reader.readline())
            name = command["restart"]
        except (OSError, TimeoutError, ValueError, TypeError, KeyError) as error:
            raise BadCommandError('a command is one line of JSON: {"restart": NAME}') from error
        if not isinstance(name, str):
            raise BadCommandError("what is to be restarted has a name")
        return await self._restart(name)


def ask(path: Path, command: dict[str, str], timeout_s: float) -> dict[str, Any]:
    """Give a running stack a command; return its answer.

    Raises:
        NotRunningError: None is there, or it ended meanwhile.
        TimeoutError: It has not answered in time.
    """
    with socket.socket(socket.AF_UNIX) as connection, _address(path) as address:
        connection.settimeout(timeout_s)
        try:
            connection.connect(address)
            connection.sendall(json.dumps(command).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise NotRunningError(
                f"the stack of {path.parent} takes no commands: it has ended, or is about to"
            ) from error
    return answer


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """Yield a path that fits into a socket's address, however deep its folder lies."""
    if len(os.fsencode(path)) < _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
