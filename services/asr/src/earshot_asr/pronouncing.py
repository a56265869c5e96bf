"""How words are said that no dictionary has: the synthesiser knows, over its own contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import grpc

from earshot.tts.v1 import synthesizer_pb2, synthesizer_pb2_grpc
from earshot_asr.engines.base import Locale
from earshot_chassis import telemetry

_TIMEOUT_S: Final = 3.0
_WORDS_A_CALL: Final = 1_000
_log = telemetry.logger("pronouncing")


class Pronouncer:
    """Asks a Synthesizer for phonemes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = synthesizer_pb2_grpc.SynthesizerStub(channel)

    async def __call__(self, locale: Locale, words: Sequence[str]) -> Mapping[str, str]:
        """Return word → IPA for the words that the synthesiser knows; nothing while it can't be reached."""
        said: dict[str, str] = {}
        for start in range(0, len(words), _WORDS_A_CALL):
            request = synthesizer_pb2.PhonemizeRequest(words=words[start : start + _WORDS_A_CALL], locale=locale)
            try:
                response = await self._stub.Phonemize(request, timeout=_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                _log.warning("phonemes_missing", words=len(words), status=error.code().name)
                return said
            said |= {found.word: "".join(found.phonemes) for found in response.pronunciations if found.phonemes}
        return said
