"""Calls to the stack's services over gRPC, with errors as one sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from earshot.dialogue.v1.assistant_pb2_grpc import AssistantStub
from earshot.tts.v1.synthesizer_pb2 import ListVoicesRequest
from earshot.tts.v1.synthesizer_pb2_grpc import SynthesizerStub
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_cli import wire
from earshot_cli.errors import BadArgumentError, CliError, UnreachableError

_REFUSED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION}


@asynccontextmanager
async def _calling(service: str, target: str) -> AsyncIterator[grpc.aio.Channel]:
    async with connect(target, default_timeout_s=15.0) as channel:
        try:
            yield channel
        except grpc.aio.AioRpcError as error:
            if error.code() in _REFUSED:
                told = from_rpc_error(error).code
                code = BadArgumentError.code if told.startswith("rpc_") else told
                raise BadArgumentError(f"{service} refused: {error.details()}", code=code) from error
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise UnreachableError(f"{service} can't be reached; earshot up shows what runs") from error
            raise CliError(f"{service} failed ({error.code().name.lower()}): {error.details()}") from error


async def check_locale(target: str, locale: str) -> None:
    """Refuse a locale that no voice speaks.

    Raises:
        BadArgumentError: `unknown_locale`; the message names those that there are.
        UnreachableError: TTS does not answer.
        CliError: It fails.
    """
    async with _calling("tts", target) as channel:
        stub: Any = SynthesizerStub(channel)
        found = await stub.ListVoices(ListVoicesRequest())
    spoken = sorted({each for voice in found.voices for each in voice.locales})
    if locale not in spoken:
        raise BadArgumentError(
            f"--locale {locale[:35]!r}: nobody speaks it; there are {', '.join(spoken)}", code="unknown_locale"
        )


async def synthesize(target: str, text: str, locale: str, rate: int) -> NDArray[np.int16]:
    """Return spoken words as mono int16 samples, shape (n,).

    Raises:
        BadArgumentError: The text can't be spoken, or not in this locale.
        UnreachableError: TTS does not answer.
        CliError: It fails.
    """
    async with _calling("tts", target) as channel:
        stub: Any = SynthesizerStub(channel)
        responses = stub.Synthesize(wire.synthesize_request(text, locale, rate))
        chunks = [response.audio async for response in responses]
    return np.frombuffer(b"".join(chunks), "<i2").astype(np.int16)


async def converse(target: str, **turn: str) -> dict[str, Any]:
    """Take one typed turn; see `wire.converse_request` and `wire.converse_document`.

    Raises:
        BadArgumentError: The text is empty, too long or unreadable, or the locale is unknown.
        UnreachableError: Dialogue does not answer.
        CliError: It fails.
    """
    async with _calling("dialogue", target) as channel:
        stub: Any = AssistantStub(channel)
        return wire.converse_document(await stub.Converse(wire.converse_request(**turn)))
