"""The gRPC Synthesizer, on the same synthesis as the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from earshot.tts.v1 import synthesizer_pb2, synthesizer_pb2_grpc
from earshot_chassis import telemetry
from earshot_topology import attributes
from earshot_tts import wire
from earshot_tts.engines.catalogue import voice_for
from earshot_tts.errors import SpeechError
from earshot_tts.framing import duration_s
from earshot_tts.requests import check_length
from earshot_tts.synthesis import Synthesis
from earshot_tts.text.cleaning import clean, speakable
from earshot_tts.text.spans import spans


class SynthesizerServicer(synthesizer_pb2_grpc.SynthesizerServicer):
    """Speaks, phonemises and lists voices; errors are mapped by the server's interceptor."""

    def __init__(self, synthesis: Synthesis) -> None:
        self._synthesis = synthesis

    async def Synthesize(  # noqa: N802 - the contract's name
        self,
        request: synthesizer_pb2.SynthesizeRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - grpc's signature
    ) -> AsyncIterator[synthesizer_pb2.SynthesizeResponse]:
        """Stream frames, not paced: the caller's flow control is the pace.

        Raises:
            SpeechError: empty_text, text_too_long, unknown_locale, unknown_voice, unsupported_*.
            EngineError: The engine failed.
        """
        audio_format = wire.audio_format(request.format)
        capabilities = self._synthesis.capabilities
        voice_for(capabilities, request.locale, request.voice)
        check_length(request.text)
        if not speakable(clean(request.text)):
            raise SpeechError("there is nothing to say", code="empty_text")
        telemetry.annotate({attributes.ENGINE: capabilities.name, attributes.LOCALE: request.locale})
        response_format = wire.format_message(audio_format)
        for span in spans(request.text, request.locale, locales=capabilities.locales):
            # A named voice speaks its own locale; words in another script have that locale's default voice.
            voice = request.voice if span.locale == request.locale else ""
            async with aclosing(self._synthesis.frames(span, audio_format, voice)) as batches:
                async for batch in batches:
                    for payload in batch.frames:
                        seconds = duration_s(payload, audio_format, self._synthesis.frame_ms)
                        yield wire.synthesize_response(payload, response_format, seconds, span.sentence_index)

    async def Phonemize(  # noqa: N802
        self,
        request: synthesizer_pb2.PhonemizeRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002
    ) -> synthesizer_pb2.PhonemizeResponse:
        """Return pronunciations.

        Raises:
            SpeechError: unknown_locale, too_many_words, word_too_long, phonemes_unsupported.
            EngineError: The engine failed.
        """
        words = list(request.words)
        return wire.phonemize_response(words, await self._synthesis.phonemise(words, request.locale))

    async def ListVoices(  # noqa: N802
        self,
        request: synthesizer_pb2.ListVoicesRequest,  # noqa: ARG002
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002
    ) -> synthesizer_pb2.ListVoicesResponse:
        """Return every voice."""
        return wire.list_voices_response(self._synthesis.capabilities)
