from __future__ import annotations

from pathlib import Path

import pytest

from earshot_asr.engines.errors import EngineMissingError, ModelMissingError, ModelUnusableError
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.settings import EngineSettings
from earshot_asr.engines.sherpa.discovery import SherpaModel
from earshot_asr.engines.sherpa.hotwords import hot_words, writable
from earshot_asr.engines.sherpa.metadata import read_metadata
from earshot_asr.engines.sherpa.tokens import Tokens, Unit, words_of
from earshot_models import SHERPA_ZH_EN, add, find
from support.engines import documents
from support.transducer import make_model


def settings(folder: Path | None = None) -> EngineSettings:
    """Return settings of the engine with its model in a folder."""
    return EngineSettings(engine="sherpa", sherpa_model=folder, workers=1)


def test_a_model_tells_what_it_is_without_being_loaded(tmp_path: Path) -> None:
    """Kind, chunk and alphabet come from its files' own words."""
    model = SherpaModel.find(make_model(tmp_path))
    assert (model.kind, model.chunk_frames, model.window_frames) == ("zipformer2", 32, 45)
    assert model.alphabet.unit is model.hot_word_unit is Unit.BOTH
    assert model.alphabet.upper
    assert model.alphabet.locales() == ("en-US", "zh-CN")
    assert read_metadata(model.decoder) == {"vocab_size": "14", "context_size": "2"}


def test_eight_bits_are_preferred_where_they_pay(tmp_path: Path) -> None:
    """Of two encoders and joiners the small ones are taken, of two decoders the exact one; other files are left alone."""
    make_model(tmp_path)
    for part in ("encoder", "decoder", "joiner"):
        (tmp_path / f"{part}-tones.onnx").rename(tmp_path / f"{part}-epoch-99.onnx")
        (tmp_path / f"{part}-epoch-99.int8.onnx").write_bytes((tmp_path / f"{part}-epoch-99.onnx").read_bytes())
    (tmp_path / "with-state-epoch-99.onnx").write_bytes(b"a language model")
    model = SherpaModel.find(tmp_path)
    assert [path.name for path in (model.encoder, model.decoder, model.joiner)] == [
        "encoder-epoch-99.int8.onnx",
        "decoder-epoch-99.onnx",
        "joiner-epoch-99.int8.onnx",
    ]


def test_what_is_missing_is_named_and_where_it_is_published(tmp_path: Path) -> None:
    """A directory that is not there, or not whole, is one sentence that helps."""
    with pytest.raises(ModelMissingError, match=r"there is no directory .*k2-fsa"):
        create_engine(settings(tmp_path / "nowhere"))
    folder = make_model(tmp_path / "some")
    (folder / "joiner-tones.onnx").unlink()
    (folder / "tokens.txt").unlink()
    with pytest.raises(ModelMissingError, match=r"lacks joiner\*\.onnx, tokens\.txt; .*earshot models list") as caught:
        create_engine(settings(folder))
    assert caught.value.code == "model_missing"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a Git LFS pointer"),
        (b"", "is empty"),
        (b"<html>not found</html>", "is no ONNX model"),
        (None, "is damaged or ends early"),
    ],
)
def test_files_that_are_something_else_are_found_out(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """A pointer, a web page, or half a download under a model's name is found out before anything is started."""
    folder = make_model(tmp_path)
    encoder = folder / "encoder-tones.onnx"
    encoder.write_bytes(encoder.read_bytes()[:2000] if content is None else content)
    with pytest.raises(ModelUnusableError, match=reason) as caught:
        create_engine(settings(folder))
    assert str(encoder) in str(caught.value)
    assert caught.value.code == "model_unusable"


@pytest.mark.parametrize("properties", [{"model_type": "whisper"}, {"model_type": ""}, {"decode_chunk_len": ""}])
def test_models_that_do_not_stream_are_refused(tmp_path: Path, properties: dict[str, str]) -> None:
    """A network of another kind says so in its metadata."""
    with pytest.raises(ModelUnusableError, match="is no streaming transducer"):
        create_engine(settings(make_model(tmp_path, **properties)))


async def test_what_only_the_library_finds_out_is_one_line_at_start(tmp_path: Path) -> None:
    """The library ends its process on what it can't use; the engine's start fails with its last words."""
    engine = create_engine(settings(make_model(tmp_path, query_head_dims="")))
    with pytest.raises(ModelUnusableError, match="query_head_dims") as caught:
        await engine.start()
    assert "\n" not in str(caught.value)
    await engine.stop()
    garbled = make_model(tmp_path / "garbled")
    data = (garbled / "encoder-tones.onnx").read_bytes()
    (garbled / "encoder-tones.onnx").write_bytes(data.replace(b"MatMul", b"MutMal"))
    engine = create_engine(settings(garbled))
    with pytest.raises(ModelUnusableError, match="MutMal"):
        await engine.start()


def test_a_package_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without sherpa-onnx the engine says how to install it."""
    import importlib.metadata  # noqa: PLC0415

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(EngineMissingError, match=r"requirements/sherpa\.txt") as caught:
        create_engine(settings(tmp_path))
    assert caught.value.code == "engine_missing"


def test_an_installed_model_is_found_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `earshot models add` put into its place needs no setting."""
    monkeypatch.setenv("EARSHOT_MODELS", str(tmp_path / "models"))
    with pytest.raises(ModelMissingError, match="sherpa-zh-en"):
        create_engine(settings())
    source = make_model(tmp_path / "download" / "sherpa-onnx-streaming")
    for part, suffix in (("encoder", ".int8"), ("decoder", ""), ("joiner", ".int8")):
        (source / f"{part}-tones.onnx").rename(source / f"{part}-epoch-99-avg-1{suffix}.onnx")
    add(SHERPA_ZH_EN, tmp_path / "download")
    assert create_engine(settings()).capabilities.revision.endswith("+sherpa-zh-en")
    assert find("sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20") is SHERPA_ZH_EN


def test_tokens_tell_their_alphabet(tmp_path: Path) -> None:
    """Characters, pieces, or both; capitals alone, or not; and what is no list of tokens at all."""
    path = tmp_path / "tokens.txt"

    def read(*tokens: str) -> Tokens:
        path.write_text("".join(f"{token} {i}\n" for i, token in enumerate(("<blk>", *tokens, "#0"))), encoding="utf-8")
        return Tokens.read(path)

    assert read("你", "好").unit is Unit.CHARACTERS
    assert read("▁he", "llo") == Tokens(unit=Unit.PIECES, characters=frozenset(), upper=False)
    assert read("▁HE", "LLO", "'").upper
    assert read("▁HE", "你").locales() == ("en-US", "zh-CN")
    path.write_text("hello\n")
    with pytest.raises(ValueError, match="no list of tokens"):
        Tokens.read(path)


def test_tokens_are_joined_to_words() -> None:
    """Pieces belong to the word that began before them, characters stand alone, times do not overlap."""
    words = words_of([" TURN", "ING", "开", "灯", "S", " OK"], [0.1, 0.3, 0.5, 0.6, 0.7, 2.0], [0.9, 0.4, 1, 1, 1, 1])
    assert [word.text for word in words] == ["TURNING", "开", "灯", "S", "OK"]
    assert [(word.start, word.end) for word in words[:2]] == [(0.1, 0.5), (0.5, 0.6)]
    assert words[0].probability == 0.4
    assert words[-1].end == pytest.approx(2.2)
    assert words_of([], [], []) == ()


def test_names_of_every_skill_have_their_share_of_the_hot_words() -> None:
    """Values of lists are hot words, numbers are said, and no list crowds out the others."""
    phrases, spellings = hot_words(documents("en-US"), "en-US")
    assert {"new york", "paper boats", "mara voss"} <= set(phrases)
    assert spellings["york"] == "York"
    assert "paper boats" in hot_words(documents("en-US"), "en-US", most=40)[0]
    chinese, _ = hot_words((*documents("zh-CN"), "no: [yaml"), "zh-CN")
    assert {"北京", "灯笼乐队"} <= set(chinese)
    odd = "language: zh\nintents: {a: {data: [{sentences: ['{x}']}]}}\nlists: {x: {values: ['第2/1首:歌', '5号线', '猫']}}"
    assert hot_words((odd,), "zh-CN")[0] == ("第二一首歌", "五号线")


def test_only_what_a_model_can_write_is_a_hot_word() -> None:
    """Characters that it lacks and words without a list of pieces are left out; capitals where it writes those."""
    phrases = ("开灯", "开门", "oslo", "kiss me 开")
    han = frozenset("开灯")
    assert writable(phrases, han, pieces=False, upper=True) == ("开灯",)
    assert writable(phrases, han, pieces=True, upper=True) == ("开灯", "OSLO", "KISS ME 开")
    assert writable(("münchen",), han, pieces=True, upper=False) == ()
