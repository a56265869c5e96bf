"""The engines themselves, and rendering."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from earshot_audio import Encoding, Format, write_wav
from earshot_tts.engines.catalogue import create, voice_for
from earshot_tts.engines.espeak import EspeakEngine
from earshot_tts.engines.recorded import RecordedEngine
from earshot_tts.errors import EngineError, EngineUnavailableError, SpeechError
from earshot_tts.rendering import render

TEXTS = {"en-US": "It is twenty past nine in Tokyo, and she sells sea shells.", "zh-CN": "现在是九点二十分，天气很好。"}


@pytest.fixture
def espeak():
    """Run espeak-ng."""
    engine = EspeakEngine()
    engine.start()
    yield engine
    engine.stop()


def spoken(engine, text: str, locale: str, stop_after: int | None = None) -> np.ndarray:
    """Return the samples of a text; stop after so many blocks."""
    blocks: list[np.ndarray] = []

    def take(samples) -> bool:
        blocks.append(samples.copy())
        return stop_after is None or len(blocks) < stop_after

    engine.synthesise(text, voice_for(engine.capabilities, locale), take)
    return np.concatenate([np.empty(0, np.int16), *blocks])


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_espeak_speaks_both_locales(espeak, locale) -> None:
    """Speech is as long as speech is, and loud enough to be heard."""
    samples = spoken(espeak, TEXTS[locale], locale)
    assert 2.0 < len(samples) / 22_050 < 6.0
    assert np.abs(samples).max() > 8_000
    voiced = np.abs(samples.astype(int)).reshape(-1)[: len(samples) // 441 * 441].reshape(-1, 441).max(axis=1) > 500
    assert voiced.mean() > 0.6


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_espeak_repeats_itself_exactly(espeak, locale) -> None:
    """The same words are the same samples, whatever was spoken, stopped or phonemised before, on a new engine too."""
    first = spoken(espeak, TEXTS[locale], locale)
    for other in ("Something else.", "现在", "An odd number of words in this one"):
        spoken(espeak, other, "zh-CN" if other[0] > "z" else "en-US")
        spoken(espeak, other * 3, "en-US", stop_after=1)
        espeak.phonemise(["tomorrow"], voice_for(espeak.capabilities, "en-US"))
        assert np.array_equal(spoken(espeak, TEXTS[locale], locale), first)
    another = EspeakEngine()
    another.start()
    assert np.array_equal(spoken(another, TEXTS[locale], locale), first)
    another.stop()


def test_stopped_espeak_leaves_nothing_behind(espeak) -> None:
    """A sentence that is stopped costs less than 100 ms of CPU, and the next call does not see the rest of it."""
    began = time.process_time()
    assert 0 < len(spoken(espeak, "word " * 1000, "en-US", stop_after=2)) < 22_050
    assert time.process_time() - began < 0.1
    voice = voice_for(espeak.capabilities, "en-US")
    assert espeak.phonemise(["hello"], voice) == [["h", "ə", "l", "ˈoʊ"]]


def test_exception_in_a_sink_comes_out(espeak) -> None:
    """What a sink raises inside espeak's callback reaches the caller."""

    def broken(_samples) -> bool:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        espeak.synthesise("Hello.", voice_for(espeak.capabilities, "en-US"), broken)
    assert len(spoken(espeak, "Hello.", "en-US")) > 5_000


def test_speaking_rate_changes_revision_and_length() -> None:
    """A quicker voice is another revision: what was cached of the slower one is not met again."""
    slow, quick = EspeakEngine(100), EspeakEngine(300)
    slow.start()
    quick.start()
    assert len(spoken(slow, "How long is this?", "en-US")) > 1.5 * len(spoken(quick, "How long is this?", "en-US"))
    assert slow.capabilities.revision != quick.capabilities.revision
    slow.stop()
    quick.stop()


def test_stopped_engine_refuses() -> None:
    """An engine that was stopped says so; stopping twice is harmless."""
    engine = EspeakEngine()
    engine.start()
    voice = voice_for(engine.capabilities, "en-US")
    engine.stop()
    engine.stop()
    with pytest.raises(EngineError, match="stopped"):
        engine.synthesise("Hello.", voice, lambda _samples: True)


def test_recorded_engine_speaks_a_recording(tmp_path: Path) -> None:
    """The recorded engine plays its file, repeated to a length that follows from the text, the same each time."""
    recording = tmp_path / "voice.wav"
    write_wav(np.arange(800, dtype=np.int16), 8_000, recording)
    engine = RecordedEngine(recording)
    engine.start()
    samples = spoken(engine, "A sentence.", "en-US")
    assert np.array_equal(samples, np.resize(np.arange(800, dtype=np.int16), len(samples)))
    assert len(spoken(engine, "A much longer sentence than that.", "en-US")) > len(samples)
    assert np.array_equal(spoken(engine, "A sentence.", "en-US"), samples)


def test_recorded_engine_has_a_tone_without_a_recording() -> None:
    """Without a file there is a tone; stopping it works."""
    engine = RecordedEngine()
    engine.start()
    assert np.abs(spoken(engine, "你好。", "zh-CN")).max() > 5_000
    assert len(spoken(engine, "word " * 100, "en-US", stop_after=1)) <= 8_000


@pytest.mark.parametrize("content", [b"", b"no audio"])
def test_unreadable_recording_is_told_at_start(tmp_path: Path, content) -> None:
    """A recording that is no audio file is one clear error."""
    file = tmp_path / "bad.wav"
    file.write_bytes(content)
    with pytest.raises(EngineUnavailableError, match=r"bad\.wav"):
        RecordedEngine(file).start()
    with pytest.raises(EngineUnavailableError, match=r"none\.wav"):
        RecordedEngine(tmp_path / "none.wav").start()


def test_engines_are_chosen_by_name() -> None:
    """A name that is none, or a rate that is none, is told."""
    assert isinstance(create("recorded", words_per_minute=165, recording=None), RecordedEngine)
    assert isinstance(create("espeak-ng", words_per_minute=165, recording=None), EspeakEngine)
    for name, rate in (("festival", 165), ("espeak-ng", 1)):
        with pytest.raises(EngineUnavailableError):
            create(name, words_per_minute=rate, recording=None)


def test_voices_are_found_by_locale_and_name(espeak) -> None:
    """Unknown locales and voices have codes of their own."""
    assert voice_for(espeak.capabilities, "zh-CN", "cmn").name == "cmn"
    for locale, name, code in (("fr-FR", "", "unknown_locale"), ("en-US", "cmn", "unknown_voice")):
        with pytest.raises(SpeechError) as raised:
            voice_for(espeak.capabilities, locale, name)
        assert raised.value.code == code


@pytest.mark.parametrize("encoding", [Encoding.LINEAR16, Encoding.OPUS])
def test_rendering_repeats_itself_exactly(espeak, encoding) -> None:
    """A sentence's frames depend on its text alone; they come in several batches, the first one early."""
    batches: list[tuple[bytes, ...]] = []
    form = Format(encoding=encoding, sample_rate_hertz=24_000)
    voice = voice_for(espeak.capabilities, "en-US")
    for _ in range(2):
        render(espeak, TEXTS["en-US"], voice, form, 40, batches.append, lambda: False)
    first = next(n for n in range(1, len(batches)) if batches[n][:1] == batches[0][:1] and n > 2)
    assert b"".join(b"".join(b) for b in batches[:first]) == b"".join(b"".join(b) for b in batches[first:])
    assert len(batches[0]) <= 2


def test_rendering_stops(espeak) -> None:
    """A rendering that is stopped emits nothing more."""
    batches: list[tuple[bytes, ...]] = []
    form = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000)
    voice = voice_for(espeak.capabilities, "en-US")
    render(espeak, TEXTS["en-US"], voice, form, 40, batches.append, lambda: len(batches) >= 2)
    assert len(batches) == 2
