from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from earshot_asr.engines.base import Engine, Locale, RecognitionStream, Rejection, Vocabulary
from earshot_asr.engines.errors import OddByteCountError, StreamClosedError, UnsupportedLocaleError
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.settings import EngineSettings


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An engine that knows one clip, and one sentence for anything else in English."""
    path = tmp_path / "recordings.json"
    digest = hashlib.sha256(b"\1\0\2\0").hexdigest()
    path.write_text(json.dumps({"by_digest": {digest: "下一首"}, "constant": {"en-US": "play some jazz"}}))
    return create_engine(EngineSettings(engine="recorded", recordings=path))


async def test_known_audio_gives_its_transcript(engine: Engine) -> None:
    """The transcript belongs to the PCM, however it was cut into frames."""
    await engine.start()
    await engine.set_vocabulary(Vocabulary(revision=4))
    async with await engine.open(Locale("zh-CN")) as stream:
        assert isinstance(stream, RecognitionStream)
        await stream.feed(b"\1\0")
        await stream.speech_paused()
        await stream.speech_resumed()
        await stream.feed(b"\2\0")
        recognition = await stream.finish()
        assert await stream.interim() is None
    assert [alternative.transcript for alternative in recognition.alternatives] == ["下一首"]
    assert recognition.registry_revision == 4
    assert recognition.engine == "recorded/1"
    await engine.stop()


async def test_other_audio_gives_the_constant_or_nothing(engine: Engine) -> None:
    """A locale without a constant transcript rejects as no speech."""
    async with await engine.open(Locale("en-US")) as stream:
        await stream.feed(bytes(3200))
        recognition = await stream.finish()
    assert recognition.alternatives[0].transcript == "play some jazz"
    assert recognition.audio_duration == pytest.approx(0.1)
    async with await engine.open(Locale("zh-CN")) as stream:
        assert (await stream.finish()).rejection is Rejection.NO_SPEECH


async def test_misuse_has_the_same_codes_as_in_other_engines(engine: Engine) -> None:
    """Odd byte counts, unknown locales and closed streams are refused."""
    assert not engine.capabilities.interim_results
    with pytest.raises(UnsupportedLocaleError):
        await engine.open(Locale("fr-FR"))
    stream = await engine.open(Locale("en-US"))
    with pytest.raises(OddByteCountError):
        await stream.feed(b"\0")
    await stream.close()
    with pytest.raises(StreamClosedError):
        await stream.feed(b"\0\0")
    with pytest.raises(StreamClosedError):
        await stream.finish()
