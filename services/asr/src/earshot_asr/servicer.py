"""The Recognizer over gRPC, on the core that the bus uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import grpc

from earshot.asr.v1 import recognizer_pb2, recognizer_pb2_grpc
from earshot_asr import wire
from earshot_asr.assembly import Frame
from earshot_asr.endpointing import Endpoint
from earshot_asr.errors import UtteranceRefusedError
from earshot_asr.limits import DEFAULT_LIMITS
from earshot_asr.recognition import Recognizer
from earshot_asr.source import Ending
from earshot_chassis.errors import OverloadedError

# A client that says nothing for so long is gone, whatever its deadline is.
_SILENT_CLIENT_S: Final = 10.0
_DROP_S: Final = 1.0

Requests = AsyncIterator[recognizer_pb2.RecognizeRequest]


class RecognizerServicer(recognizer_pb2_grpc.RecognizerServicer):
    """Recognises what a caller streams."""

    def __init__(self, recognizer: Recognizer, *, calls: int) -> None:
        """Serve at most `calls` utterances at once."""
        self._recognizer = recognizer
        self._places = calls

    async def Recognize(  # noqa: N802 - the contract names it
        self, request_iterator: Requests, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[recognizer_pb2.RecognizeResponse]:
        """Recognise one utterance; errors are those of `Recognizer.recognize` and OverloadedError."""
        del context
        if self._places <= 0:
            raise OverloadedError("every place for a call is taken", code="recognizer_busy")
        self._places -= 1
        try:
            first = await anext(request_iterator, None)
            if first is None or not first.HasField("config"):
                raise UtteranceRefusedError("the first message has to be the config", code="missing_config")
            observer = _Responses()
            work = asyncio.ensure_future(
                self._recognizer.recognize(wire.request_of(first.config), _CallSource(request_iterator), observer)
            )
            work.add_done_callback(observer.finish)
            try:
                while (response := await observer.queue.get()) is not None:
                    yield response
                yield recognizer_pb2.RecognizeResponse(final=wire.final_result(await work))
                await _drop(request_iterator)
            finally:
                work.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await work
        finally:
            self._places += 1

    async def ListEngines(  # noqa: N802 - the contract names it
        self, request: recognizer_pb2.ListEnginesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> recognizer_pb2.ListEnginesResponse:
        """Say which engines serve which locales."""
        del request, context
        return recognizer_pb2.ListEnginesResponse(engines=wire.engine_infos(self._recognizer.engine.capabilities))


async def _drop(requests: Requests) -> None:
    """Read what a client was still sending: a call that ends under a write looks broken to some clients."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DROP_S):
            async for _ in requests:
                pass


class _Responses:
    """The recogniser's observer on the gRPC path: queues messages for the caller."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[recognizer_pb2.RecognizeResponse | None] = asyncio.Queue()

    async def started(self, offset: float) -> None:
        """Say nothing: the contract has no message for it."""

    async def interim(self, transcript: str, stability: float) -> None:
        """Queue the words so far."""
        self.queue.put_nowait(recognizer_pb2.RecognizeResponse(interim=wire.interim_transcript(transcript, stability)))

    async def ended(self, endpoint: Endpoint) -> None:
        """Queue the endpoint."""
        self.queue.put_nowait(recognizer_pb2.RecognizeResponse(endpoint=wire.endpoint_detected(endpoint)))

    def finish(self, _work: object) -> None:
        """Mark the end of the queue."""
        self.queue.put_nowait(None)


class _CallSource:
    """The frames of a call."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._bytes = 0

    async def next(self) -> list[Frame] | Ending:
        """Return the next frame, or why there is none."""
        try:
            async with asyncio.timeout(_SILENT_CLIENT_S):
                request = await anext(self._requests, None)
        except TimeoutError:
            return Ending.LOST
        if request is None:
            return Ending.DEVICE
        if not request.HasField("audio"):
            raise UtteranceRefusedError("only audio may follow the config", code="unexpected_config")
        if len(request.audio) > DEFAULT_LIMITS.frame_bytes:
            raise UtteranceRefusedError(f"a frame of {len(request.audio)} bytes", code="frame_too_large")
        self._bytes += len(request.audio)
        return Ending.TOO_LARGE if self._bytes > DEFAULT_LIMITS.bytes else [request.audio]
