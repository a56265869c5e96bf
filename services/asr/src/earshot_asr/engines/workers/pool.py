"""The decoding processes: as many as configured, all with the same bundles, each replaced when it dies."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from earshot_asr.engines.errors import (
    ModelUnusableError,
    RecognizerBusyError,
    RecognizerStoppedError,
    RecognizerUnavailableError,
    WorkerDiedError,
)
from earshot_asr.engines.workers.process import Order, Program, WorkerProcess
from earshot_chassis.errors import EarshotError

PLACE_TIMEOUT_S: Final = 3.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0

_log = structlog.get_logger(__name__)


class Pool:
    """Worker processes and the bundles that they have loaded."""

    def __init__(self, program: Program, *, workers: int, streams_per_worker: int) -> None:
        """Make a pool that is not started.

        Args:
            program: What the processes run.
            workers: Number of processes.
            streams_per_worker: Utterances that one of them may have at once.
        """
        self._program = program
        self._size = workers
        self._places = streams_per_worker
        self._workers: list[WorkerProcess] = []
        self._orders: dict[str, Order] = {}
        self._replacing: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._running = False

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that serve."""
        return tuple(worker.pid for worker in self._workers)

    async def start(self) -> None:
        """Start every process.

        Raises:
            RecognizerUnavailableError: One did not come up; none is left running.
            ModelUnusableError: None ever will.
        """
        self._running = True
        started = await asyncio.gather(
            *(WorkerProcess.start(self._program, self._on_death) for _ in range(self._size)), return_exceptions=True
        )
        self._workers = [worker for worker in started if isinstance(worker, WorkerProcess)]
        failed = [error for error in started if isinstance(error, BaseException)]
        if failed:
            await self.stop()
            if isinstance(failed[0], ModelUnusableError):
                raise failed[0]
            raise RecognizerUnavailableError("the decoding processes did not come up") from failed[0]

    async def stop(self) -> None:
        """End every process. Idempotent."""
        self._running = False
        for task in tuple(self._replacing):
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.stop() for worker in workers))
        async with self._changed:
            self._changed.notify_all()

    async def load(self, order: Order) -> None:
        """Make every process load a bundle; returns when all that live have it.

        Raises:
            VocabularyInvalidError: The decoder refused it; it is in no process then.
        """
        self._orders[order.key] = order
        results = await asyncio.gather(*(worker.load(order) for worker in self._workers), return_exceptions=True)
        # A process that died meanwhile is replaced by one that loads the bundle before it serves.
        refused = [
            error for error in results if isinstance(error, Exception) and not isinstance(error, WorkerDiedError)
        ]
        if refused:
            self.unload(order.key)
            raise refused[0]

    def unload(self, key: str) -> None:
        """Make every process forget a bundle; utterances that use it keep it."""
        self._orders.pop(key, None)
        for worker in self._workers:
            worker.unload(key)

    async def place(self) -> WorkerProcess:
        """Return the process with most room; waits a little while all of them are being replaced.

        Raises:
            RecognizerBusyError: Every place is taken.
            RecognizerUnavailableError: No process came up in time.
            RecognizerStoppedError: The pool was stopped.
        """
        if not self._workers:
            with suppress(TimeoutError):
                async with asyncio.timeout(PLACE_TIMEOUT_S), self._changed:
                    await self._changed.wait_for(lambda: self._workers or not self._running)
        if not self._running:
            raise RecognizerStoppedError("the recogniser is not running")
        if not self._workers:
            raise RecognizerUnavailableError("no decoding process is up")
        worker = min(self._workers, key=lambda candidate: candidate.streams)
        if worker.streams >= self._places:
            raise RecognizerBusyError(f"all {len(self._workers) * self._places} places for utterances are taken")
        return worker

    def _on_death(self, worker: WorkerProcess) -> None:
        _log.warning("decoding process died", pid=worker.pid)
        if worker in self._workers:
            self._workers.remove(worker)
            task = asyncio.create_task(self._replace(), name="asr-worker-replacement")
            self._replacing.add(task)
            task.add_done_callback(self._replacing.discard)

    async def _replace(self) -> None:
        pause = _FIRST_PAUSE_S
        while self._running:
            try:
                worker = await WorkerProcess.start(self._program, self._on_death)
            except (RecognizerUnavailableError, ModelUnusableError):
                _log.warning("decoding process did not come up", retry_in_s=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            if await self._prepare(worker):
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _prepare(self, worker: WorkerProcess) -> bool:
        """Give a new process every bundle, also those that come meanwhile, and let it serve."""
        loaded: set[str] = set()
        try:
            while missing := [order for key, order in self._orders.items() if key not in loaded]:
                for order in missing:
                    await worker.load(order)
                    loaded.add(order.key)
        except asyncio.CancelledError:
            await worker.stop()
            raise
        except EarshotError as error:
            _log.warning("decoding process can not load the vocabulary", code=error.code)
            await worker.stop()
            return False
        self._workers.append(worker)
        async with self._changed:
            self._changed.notify_all()
        _log.info("decoding process replaced", pid=worker.pid)
        return True
