"""Starting services: as forks of a process that has imported what they all need, or each from nothing.

Importing other people's libraries is two thirds of the CPU that a service's start costs, and the same for all. On Linux it
is done once (`forkserver`), for all stacks of this process. What else would start differently is started from nothing:
another program than a service as `lean` runs it, and one whose path customises the interpreter.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from earshot_local import forkserver, lean
from earshot_local.orphans import end_group, tied

_LEAN = (sys.executable, "-P", lean.__file__)
_CUSTOMISED = ("sitecustomize.py", "usercustomize.py")
# Read by the interpreter as it starts, and not given to the server: a command may have one of these only as an empty word.
_OF_THE_INTERPRETER = "PYTHON"
_APPLIED = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED"})
# A name of a process can't be longer than the server's own arguments.
_ROOM = "." * 256
_ANSWER = 256
_LOOK_S = 0.05


class Process(Protocol):
    """A process that was started, as asyncio has it."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def returncode(self) -> int | None:
        """How it ended: its exit code, or a signal's number below zero."""

    async def wait(self) -> int:
        """Wait until it has ended; return how."""

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal."""


async def start(
    command: Sequence[str], environment: Mapping[str, str], output: IO[bytes], *, fresh: bool = False
) -> Process:
    """Start a process that gets SIGTERM when this one dies, and is the leader of its group.

    Args:
        command: Its arguments.
        environment: All of it.
        output: Where its output goes.
        fresh: Whether it is started from nothing even if it need not be.

    Raises:
        OSError: It can't be started.
    """
    if not fresh and _forkable(command, environment):
        with contextlib.suppress(OSError):
            return await _shared().fork(command[len(_LEAN) :], environment, output)
    return await asyncio.create_subprocess_exec(
        *tied(command),
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


def _forkable(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Tell whether a fork is as good as a start."""
    if sys.platform != "linux" or tuple(command[: len(_LEAN)]) != _LEAN:
        return False
    own = {name: word for name, word in environment.items() if name.startswith(_OF_THE_INTERPRETER)}
    if any(word != os.environ.get(name, "") for name, word in own.items() if name not in _APPLIED):
        return False
    folders = [Path(folder) for folder in own.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return not any((folder / name).exists() for folder in folders for name in _CUSTOMISED)


class _Forked:
    """A process that the server has forked."""

    def __init__(self, pid: int, answers: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.create_task(self._hear(answers), name=f"wait for {pid}")

    async def _hear(self, answers: socket.socket) -> int:
        with answers:
            answer = await asyncio.get_running_loop().sock_recv(answers, _ANSWER)
        if not answer:
            await self._gone()
        self.returncode = int(json.loads(answer)["status"]) if answer else -signal.SIGTERM
        return self.returncode

    async def _gone(self) -> None:
        """Wait until it has ended: without its server it has got what the server's death sends it, and drains."""
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self.pid, 0)
                await asyncio.sleep(_LOOK_S)

    async def wait(self) -> int:
        """Wait until it has ended; return how."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""
        if self.returncode is None:
            os.kill(self.pid, number)


class _ForkServer:
    """The process that forks."""

    def __init__(self) -> None:
        self._requests, requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ready, ready = socket.socketpair()
        with requests, ready:
            given = (requests.fileno(), ready.fileno())
            self._process = subprocess.Popen(  # noqa: S603 - of ours
                [sys.executable, "-P", forkserver.__file__, *map(str, given), _ROOM],
                env={name: word for name, word in os.environ.items() if name != "PYTHONPATH"}
                | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=given,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    async def fork(self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> _Forked:
        """Have it become a module with its arguments.

        Raises:
            OSError: It does not answer.
        """
        loop = asyncio.get_running_loop()
        with self._ready.dup() as ready:
            ready.setblocking(False)
            await loop.sock_recv(ready, 1)
        request = {
            "command": list(command),
            "environment": dict(environment),
            "folder": str(Path.cwd()),
            "uninterrupted": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        }
        answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            answers.setblocking(False)
            with theirs:
                socket.send_fds(self._requests, [json.dumps(request).encode()], [output.fileno(), theirs.fileno()])
            return _Forked(await _told(answers), answers)
        except BaseException:
            answers.close()
            raise

    def close(self) -> None:
        """End it, and with it whatever it has forked."""
        self._requests.close()
        self._ready.close()
        self._process.wait()


async def _told(answers: socket.socket) -> int:
    """Return the id of a new process; whoever does not wait for it any more has none left behind.

    Raises:
        OSError: There is none.
    """
    telling = asyncio.create_task(asyncio.get_running_loop().sock_recv(answers, _ANSWER))
    try:
        answer = await asyncio.shield(telling)
    except asyncio.CancelledError:
        answer = await telling
        if answer:
            end_group(int(json.loads(answer)["pid"]))
        raise
    if not answer:
        raise ConnectionResetError
    return int(json.loads(answer)["pid"])


_SERVERS: list[_ForkServer] = []


def _shared() -> _ForkServer:
    """Return this process's server, which is started at the first call and ends with the process."""
    while _SERVERS and not _SERVERS[-1].alive:
        _end(_SERVERS.pop())
    if not _SERVERS:
        _SERVERS.append(_ForkServer())
        atexit.register(_end, _SERVERS[-1])
    return _SERVERS[-1]


def _end(server: _ForkServer) -> None:
    atexit.unregister(_end)
    server.close()
