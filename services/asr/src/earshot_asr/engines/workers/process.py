"""The service's end of one decoding process."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from earshot_asr.engines.base import Phrases
from earshot_asr.engines.errors import (
    ModelUnusableError,
    RecognizerStoppedError,
    RecognizerUnavailableError,
    VocabularyInvalidError,
    WorkerDiedError,
)
from earshot_asr.engines.workers.frames import Frame, Kind, Reader, encode

STOP_TIMEOUT_S: Final = 2.0
_CHUNK: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a decoding process runs.

    Attributes:
        module: Run as `python -m`.
        arguments: Of the module.
        start_timeout_s: How long it may take until it serves: hundreds of megabytes from a cold disk, or a machine that has
            other things to do. One that ends is not waited for.
    """

    module: str
    arguments: tuple[str, ...] = ()
    start_timeout_s: float = 60.0


class Order(Protocol):
    """What a process is to load, for streams that name its key."""

    @property
    def key(self) -> str:
        """Names it in later frames."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, the key among them."""
        ...


class Listener(Protocol):
    """Who waits for frames of one stream."""

    def on_frame(self, frame: Frame) -> None:
        """Take an INTERIM or FINAL frame."""
        ...

    def on_failure(self, error: Exception) -> None:
        """Learn that no more will come."""
        ...


class WorkerProcess:
    """A running worker; made by `start`."""

    def __init__(self, process: Process, on_death: Callable[[WorkerProcess], None]) -> None:
        self._process = process
        self._on_death = on_death
        self._listeners: dict[int, Listener] = {}
        self._loads: dict[str, asyncio.Future[None]] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._complaint = ""
        self._complaining = asyncio.create_task(self._listen_to_errors(), name="asr-worker-errors")
        self._reading = asyncio.create_task(self._read(), name="asr-worker-reader")

    @classmethod
    async def start(cls, program: Program, on_death: Callable[[WorkerProcess], None]) -> Self:
        """Start a process and wait until it serves.

        Args:
            program: What it runs.
            on_death: Called when it ends without having been stopped.

        Raises:
            RecognizerUnavailableError: It did not come up.
            ModelUnusableError: It never will.
        """
        arguments = (sys.executable, "-m", program.module, *program.arguments)
        try:
            # Signals for the service's process group are not for the worker: utterances are to be finished first.
            process = await asyncio.create_subprocess_exec(
                *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
            )
        except OSError as error:
            raise RecognizerUnavailableError(f"no decoding process: {error}") from error
        worker = cls(process, on_death)
        try:
            async with asyncio.timeout(program.start_timeout_s):
                await asyncio.shield(worker._ready)
        except ModelUnusableError:
            await worker.stop()
            raise
        except (TimeoutError, WorkerDiedError) as error:
            await worker.stop()
            if isinstance(error, WorkerDiedError) and (process.returncode or 0) > 0:
                raise ModelUnusableError(worker._complaint or str(error)) from error
            raise RecognizerUnavailableError("a decoding process did not come up") from error
        return worker

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def streams(self) -> int:
        """How many streams it serves."""
        return len(self._listeners)

    async def load(self, order: Order) -> None:
        """Make it load a bundle; returns when it is loaded.

        Raises:
            VocabularyInvalidError: The decoder refused the files.
            WorkerDiedError: The process ended.
        """
        future = self._loads.get(order.key)
        if future is None:
            future = self._loads[order.key] = asyncio.get_running_loop().create_future()
            self.send(Kind.LOAD, 0, encode(Kind.LOAD, 0, order.to_json()))
        await asyncio.shield(future)

    def unload(self, key: str) -> None:
        """Make it forget a bundle, as soon as no stream needs it."""
        self._loads.pop(key, None)
        self.send(Kind.UNLOAD, 0, encode(Kind.UNLOAD, 0, {"key": key}))

    def attach(self, stream: int, listener: Listener, key: str, phrases: Phrases) -> None:
        """Open a stream."""
        self._listeners[stream] = listener
        order = {"key": key, "phrases": {name: list(listed) for name, listed in phrases.items()}}
        self.send(Kind.OPEN, stream, encode(Kind.OPEN, stream, order))

    def detach(self, stream: int) -> None:
        """Let a stream go."""
        self._listeners.pop(stream, None)

    def send(self, kind: Kind, stream: int, frame: bytes | None = None) -> None:
        """Send a frame; what a dead process is sent is dropped, its listeners have been told."""
        writer = self._process.stdin
        if writer is not None and not writer.is_closing():
            writer.write(encode(kind, stream) if frame is None else frame)

    async def drain(self) -> None:
        """Wait until the process has read most of what it was sent."""
        writer = self._process.stdin
        if writer is not None:
            with suppress(ConnectionError):
                await writer.drain()

    async def stop(self) -> None:
        """End the process; its streams fail with recognizer_stopped. Idempotent."""
        self._stopping = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        reader = Reader()
        output = self._process.stdout
        while output is not None and (data := await output.read(_CHUNK)):
            for frame in reader.push(data):
                self._dispatch(frame)
        await self._process.wait()
        await self._complaining
        self._die()

    async def _listen_to_errors(self) -> None:
        """Pass on what the process says on standard error; while it loads only the last line counts, if it fails."""
        errors = self._process.stderr
        while errors is not None and (line := await errors.readline()):
            if self._ready.done():
                sys.stderr.write(line.decode(errors="replace"))
            else:
                self._complaint = line.decode(errors="replace").strip() or self._complaint

    def _dispatch(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.READY:
                self._ready.set_result(None)
            case Kind.REFUSED:
                self._ready.set_exception(ModelUnusableError(frame.json()["reason"]))
            case Kind.LOADED | Kind.FAILED:
                self._answer_load(frame)
            case _:
                listener = self._listeners.get(frame.stream)
                if listener is not None:
                    listener.on_frame(frame)

    def _answer_load(self, frame: Frame) -> None:
        body = frame.json()
        future = self._loads.get(body["key"])
        if future is None or future.done():
            return
        if frame.kind is Kind.LOADED:
            future.set_result(None)
        else:
            del self._loads[body["key"]]
            future.set_exception(VocabularyInvalidError(f"the decoder refused a vocabulary: {body['reason']}"))

    def _die(self) -> None:
        error: Exception = (
            RecognizerStoppedError("the recogniser was stopped")
            if self._stopping
            else WorkerDiedError(f"decoding process {self.pid} ended with code {self._process.returncode}")
        )
        for future in (self._ready, *self._loads.values()):
            if not future.done():
                future.set_exception(error)
                future.exception()
        for listener in tuple(self._listeners.values()):
            listener.on_failure(error)
        self._listeners.clear()
        if not self._stopping:
            self._on_death(self)
