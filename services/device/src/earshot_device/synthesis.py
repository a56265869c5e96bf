"""Speaking a test phrase: the TTS service synthesises it, the device then utters the samples.

The words go to the TTS service over gRPC, before the turn and outside its trace; what the bus carries is audio.
"""

from __future__ import annotations

import grpc
import numpy as np
from numpy.typing import NDArray

from earshot.tts.v1 import synthesizer_pb2, synthesizer_pb2_grpc
from earshot_audio import Encoding, Format, FrameDecoder
from earshot_chassis.rpc_client import connect
from earshot_device.bus import wire
from earshot_device.errors import AudioInputError

_TIMEOUT_S = 15.0


async def synthesise(target: str, text: str, *, locale: str, rate: int = 16_000, voice: str = "") -> NDArray[np.int16]:
    """Return a phrase as mono int16 samples at `rate` Hz, shape (n,).

    Args:
        target: gRPC target of a `Synthesizer`, "127.0.0.1:50055".
        text: Plain text.
        locale: BCP-47.
        rate: 8,000 to 48,000 Hz.
        voice: Name of a voice; empty: the locale's default.

    Raises:
        AudioInputError: The service can't be reached, or refuses the phrase.
    """
    wanted = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=rate)
    request = synthesizer_pb2.SynthesizeRequest(text=text, locale=locale, voice=voice, format=wire.format_up(wanted))
    decoder = FrameDecoder(wanted)
    parts: list[NDArray[np.int16]] = [np.empty(0, np.int16)]
    async with connect(target, default_timeout_s=_TIMEOUT_S) as channel:
        stub = synthesizer_pb2_grpc.SynthesizerStub(channel)
        try:
            async for response in stub.Synthesize(request):
                if response.audio:
                    parts.append(decoder.decode(response.audio))  # noqa: PERF401 - an async loop over a call
        except grpc.aio.AioRpcError as error:
            message = f"the phrase can't be synthesised: {error.code().name.lower()}: {error.details()}"
            raise AudioInputError(message) from error
    return np.concatenate(parts)
