"""Has imported what services import of others, and becomes one of them for each request: a start costs what is its own.

Usage: python -P forkserver.py REQUESTS READY [ROOM FOR NAMES]

Both are descriptors of sockets. READY is closed when everything has been imported. Each packet of REQUESTS is one request:
JSON with `command` (a module and its arguments), `environment`, `folder` and `uninterrupted` (whether it ignores SIGINT, as
what is started by somebody who does), beside two descriptors: where output goes, and
where answers do. These are packets, too: `{"pid": 7}`, and when that process has ended `{"status": 0}`, a signal's number
below zero.

What is imported ahead is other people's code alone: a service that is started anew has its own and ours as they are by
then. No thread runs here and no connection is open, so that a fork is as good as a start. It ends with whoever asked, and
whatever it has started gets SIGTERM then. It is run as a file, as lean.py is.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any

_AHEAD = (
    "asyncio",
    "email.message",
    "faststream.nats",
    "google.protobuf.json_format",
    "grpc.aio",
    "grpc_health.v1.health",
    "grpc_reflection.v1alpha.reflection",
    "grpc_status.rpc_status",
    "hassil",
    "http.server",
    "httpx",
    "jinja2",
    "nats.js",
    "numpy",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "opentelemetry.sdk.trace.export",
    "prometheus_client",
    "pydantic_settings",
    "starlette.applications",
    "structlog",
    "uvicorn",
    "uvloop",
    "yaml",
    "zoneinfo",
)
_LARGEST = 1 << 20
_PDEATHSIG = 1


class _Server:
    """Forks, and tells how its children ended."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking
        self._selector = selectors.DefaultSelector()
        self._selector.register(asking, selectors.EVENT_READ)
        # By the descriptor of a process: its id and who waits for its end.
        self._running: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> list[str] | None:
        """Serve until nobody asks any more, or return what this process, a fork, is to run."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._asking:
                    self._reap(key.fd)
                    continue
                request, descriptors, _, _ = socket.recv_fds(self._asking, _LARGEST, 2)
                if not request:
                    return None
                if len(descriptors) < 2:
                    # There was no room for them: whoever asked hears the end of the answers, and starts it without.
                    for each in descriptors:
                        os.close(each)
                    continue
                command = self._fork(json.loads(request), *descriptors)
                if command is not None:
                    return command

    def _fork(self, request: dict[str, Any], output: int, answer: int) -> list[str] | None:
        waiting = socket.socket(fileno=answer)
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            # Likewise: no other service ends because this one can't be forked.
            waiting.close()
            os.close(output)
            return None
        if not pid:
            waiting.close()
            self._leave()
            _become(request, output, parent)
            return list(request["command"])
        # Here and in the fork: whoever is first. Its group is known as soon as its id is.
        os.setpgid(pid, pid)
        os.close(output)
        _tell(waiting, {"pid": pid})
        process = os.pidfd_open(pid)
        self._running[process] = pid, waiting
        self._selector.register(process, selectors.EVENT_READ)
        return None

    def _reap(self, process: int) -> None:
        self._selector.unregister(process)
        os.close(process)
        pid, waiting = self._running.pop(process)
        _, status = os.waitpid(pid, 0)
        _tell(waiting, {"status": os.waitstatus_to_exitcode(status)})
        waiting.close()

    def _leave(self) -> None:
        """Let go of what is the server's."""
        self._selector.close()
        self._asking.close()
        for process, (_, waiting) in self._running.items():
            os.close(process)
            waiting.close()


def _tell(waiting: socket.socket, answer: dict[str, int]) -> None:
    with contextlib.suppress(OSError):
        waiting.sendall(json.dumps(answer).encode())


def _become(request: dict[str, Any], output: int, parent: int) -> None:
    """Make this fork what a start of its own would be."""
    os.setpgid(0, 0)
    # SIGTERM when the server dies, which may have been already.
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN if request["uninterrupted"] else signal.default_int_handler)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # Where the interpreter has them: before its own.
    sys.path[:0] = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    importlib.invalidate_caches()
    sys.argv[:] = request["command"]
    _be_called(request["command"])


def _be_called(command: list[str]) -> None:
    """Have lists of processes show what runs; there is as much room as the server's own arguments take."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    name = "\0".join([sys.executable, "-m", *command]).encode()[: end - begin - 1]
    ctypes.memmove(begin, name.ljust(end - begin, b"\0"), end - begin)


def main() -> None:
    """Import, serve, and be whatever was forked."""
    requests, ready = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:3])
    # A numeric library starts threads for every core, unless it is told to start none.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    runpy.run_path(str(Path(__file__).with_name("lean.py")))["install"]()
    for module in _AHEAD:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.collect()
    # A collection writes to every object; what is shared stays shared without.
    gc.freeze()
    ready.close()
    command = _Server(requests).serve()
    if command is not None:
        runpy.run_path(str(Path(__file__).with_name("failing.py")))["install"](command[0])
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
