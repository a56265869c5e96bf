"""The Synthesizer over real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
import pytest_asyncio

from earshot.common.v1 import audio_pb2
from earshot.tts.v1 import synthesizer_pb2, synthesizer_pb2_grpc
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_chassis.rpc_server import GrpcServer
from earshot_tts.cache.memory import MemoryCache
from earshot_tts.cache.sentences import SentenceCache
from earshot_tts.engines.espeak import EspeakEngine
from earshot_tts.engines.recorded import RecordedEngine
from earshot_tts.servicer import SynthesizerServicer
from earshot_tts.synthesis import Synthesis

pytestmark = pytest.mark.asyncio(loop_scope="module")
PCM = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=22_050, channel_count=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["espeak-ng"])
async def stub() -> AsyncIterator[synthesizer_pb2_grpc.SynthesizerAsyncStub]:
    """Serve espeak-ng and connect to it."""
    async for connected in serving(EspeakEngine()):
        yield connected


async def serving(engine) -> AsyncIterator[synthesizer_pb2_grpc.SynthesizerAsyncStub]:
    """Serve an engine and connect to it."""
    synthesis = Synthesis(engine, SentenceCache(MemoryCache(1 << 20), None, 0.05), threads=1, frame_ms=40)
    await synthesis.start()
    server = GrpcServer()
    server.add(
        synthesizer_pb2_grpc.add_SynthesizerServicer_to_server,
        SynthesizerServicer(synthesis),
        "earshot.tts.v1.Synthesizer",
    )
    port = await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield synthesizer_pb2_grpc.SynthesizerStub(channel)
    await server.stop(0.1)
    await synthesis.stop()


async def code_of(call) -> tuple[grpc.StatusCode, str]:
    """Return status and code of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    return raised.value.code(), from_rpc_error(raised.value).code


async def test_synthesize_streams_frames_sentence_by_sentence(stub) -> None:
    """Frames come in the wanted format, with the sentence that they belong to."""
    request = synthesizer_pb2.SynthesizeRequest(text="One is here. Two is there.", locale="en-US", format=PCM)
    frames = [frame async for frame in stub.Synthesize(request)]
    assert [frame.sentence_index for frame in frames] == sorted(frame.sentence_index for frame in frames)
    assert {frame.sentence_index for frame in frames} == {0, 1}
    samples = np.frombuffer(b"".join(frame.audio for frame in frames), "<i2")
    assert sum(frame.duration.nanos for frame in frames) / 1e9 == pytest.approx(len(samples) / 22_050, abs=1e-4)
    assert np.abs(samples).max() > 3_000


@pytest.mark.parametrize(
    ("request_fields", "code"),
    [
        ({"text": "", "locale": "en-US"}, "empty_text"),
        ({"text": "😀 👍", "locale": "en-US"}, "empty_text"),
        ({"text": "x" * 5001, "locale": "en-US"}, "text_too_long"),
        ({"text": "Bonjour", "locale": "fr-FR"}, "unknown_locale"),
        ({"text": "Hello", "locale": ""}, "unknown_locale"),
        ({"text": "Hello", "locale": "en-US", "voice": "cmn"}, "unknown_voice"),
        ({"text": "Hello", "locale": "en-US", "format": {"encoding": 1}}, "unsupported_sample_rate"),
        ({"text": "Hello", "locale": "en-US", "format": {"sample_rate_hertz": 8000}}, "unsupported_encoding"),
    ],
)
async def test_synthesize_refuses_with_a_code(stub, request_fields, code) -> None:
    """What can't be spoken is INVALID_ARGUMENT with a stable code."""
    call = stub.Synthesize(synthesizer_pb2.SynthesizeRequest(**request_fields))
    assert await code_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, code)


async def test_longest_text_is_spoken(stub) -> None:
    """A text of 5,000 characters without a stop is spoken in pieces."""
    request = synthesizer_pb2.SynthesizeRequest(text=("word " * 1000)[:5000], locale="en-US", format=PCM)
    indices = {frame.sentence_index async for frame in stub.Synthesize(request)}
    assert len(indices) > 15


async def test_voice_can_be_named(stub) -> None:
    """A voice of the locale can be asked for by name; an unset format is the default one."""
    request = synthesizer_pb2.SynthesizeRequest(text="你好。", locale="zh-CN", voice="cmn")
    frames = [frame async for frame in stub.Synthesize(request)]
    assert frames[0].format.sample_rate_hertz == 16_000


async def test_phonemize_returns_ipa(stub) -> None:
    """Words come back in order with IPA phonemes, one an entry, stress included, without language marks."""
    response = await stub.Phonemize(synthesizer_pb2.PhonemizeRequest(words=["hello", "Tokyo", ""], locale="en-US"))
    found = [(p.word, list(p.phonemes)) for p in response.pronunciations]
    assert found == [
        ("hello", ["h", "ə", "l", "ˈoʊ"]),
        ("Tokyo", ["t", "ˈoʊ", "k", "ɪ", "ˌoʊ"]),
        ("", []),
    ]
    mixed = await stub.Phonemize(synthesizer_pb2.PhonemizeRequest(words=["打开 iPhone"], locale="zh-CN"))
    phonemes = list(mixed.pronunciations[0].phonemes)
    assert phonemes
    assert not any("(" in phoneme for phoneme in phonemes)


@pytest.mark.parametrize(
    ("request_fields", "code"),
    [
        ({"words": ["a"] * 1001, "locale": "en-US"}, "too_many_words"),
        ({"words": ["a" * 101], "locale": "en-US"}, "word_too_long"),
        ({"words": ["a"], "locale": "xx"}, "unknown_locale"),
    ],
)
async def test_phonemize_refuses_with_a_code(stub, request_fields, code) -> None:
    """What can't be phonemised is INVALID_ARGUMENT with a stable code."""
    call = stub.Phonemize(synthesizer_pb2.PhonemizeRequest(**request_fields))
    assert await code_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, code)


async def test_engine_without_phonemes_says_so() -> None:
    """An engine that has no phonemes refuses with a code of its own."""
    async for stub in serving(RecordedEngine()):
        call = stub.Phonemize(synthesizer_pb2.PhonemizeRequest(words=["a"], locale="en-US"))
        assert await code_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, "phonemes_unsupported")


async def test_list_voices_names_each_voice(stub) -> None:
    """Voices come with engine, revision, locales and rate."""
    response = await stub.ListVoices(synthesizer_pb2.ListVoicesRequest())
    assert [(v.name, list(v.locales), v.engine, v.deterministic) for v in response.voices] == [
        ("en-us", ["en-US"], "espeak-ng", True),
        ("cmn", ["zh-CN"], "espeak-ng", True),
    ]
    assert all(voice.revision and voice.sample_rate_hertz == 22_050 for voice in response.voices)
