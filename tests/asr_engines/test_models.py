from __future__ import annotations

import hashlib
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from earshot_asr.engines.errors import ModelMissingError
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.pocketsphinx.acoustic import mandarin
from earshot_asr.engines.settings import EngineSettings
from earshot_models import (
    CMU_MANDARIN,
    KNOWN,
    Model,
    ModelError,
    ModelFile,
    add,
    default_directory,
    find,
    installed,
    verify,
)
from support.data import require_data


@pytest.fixture
def model() -> Model:
    """A model of two files and a licence."""
    files = (
        ModelFile(name="mdef", path="mdef", sha256=hashlib.sha256(b"mdef").hexdigest()),
        ModelFile(name="means", path="means"),
        ModelFile(name="COPYING", path="COPYING", required=False),
    )
    return replace(CMU_MANDARIN, id="small", files=files)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory that has the model two levels down, among other things."""
    folder = tmp_path / "download" / "small-1.0"
    folder.mkdir(parents=True)
    for name in ("mdef", "means", "README"):
        (folder / name).write_bytes(name.encode())
    return tmp_path / "download"


def test_model_is_added_from_a_directory(model: Model, source: Path, tmp_path: Path) -> None:
    """Only the model's own files are copied, from wherever they lie; a second time replaces the first."""
    models = tmp_path / "models"
    assert installed(model, models) is None
    add(model, source, models)
    folder = add(model, source, models)
    assert folder == installed(model, models) == models / "small"
    assert sorted(path.name for path in folder.iterdir()) == ["mdef", "means"]
    found = verify(model, models)
    assert found.ok
    assert found.unchecked == ("means",)
    assert [path.name for path in models.iterdir()] == ["small"]


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_model_is_added_from_an_archive(model: Model, source: Path, tmp_path: Path, kind: str) -> None:
    """Archives are unpacked beside the models and leave nothing behind."""
    archive = tmp_path / f"small.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for path in source.rglob("*"):
                packed.write(path, path.relative_to(source))
    else:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(source, arcname="download")
    assert add(model, archive, tmp_path / "models") == tmp_path / "models" / "small"
    assert verify(model, tmp_path / "models").ok


def test_what_can_not_be_added_is_one_sentence(model: Model, source: Path, tmp_path: Path) -> None:
    """Each failure has a code and a sentence, and leaves what was installed."""
    models = tmp_path / "models"
    add(model, source, models)

    def code(path: Path) -> str:
        with pytest.raises(ModelError) as caught:
            add(model, path, models)
        assert str(caught.value).endswith(".")
        assert "\n" not in str(caught.value)
        return caught.value.code

    assert code(tmp_path / "nowhere") == "source_missing"
    rubbish = tmp_path / "rubbish.tar.gz"
    rubbish.write_bytes(b"not an archive")
    assert code(rubbish) == "source_unreadable"
    (source / "small-1.0" / "mdef").write_bytes(b"damaged")
    assert code(source) == "model_altered"
    (source / "small-1.0" / "mdef").unlink()
    assert code(source) == "model_incomplete"
    assert verify(model, models).ok
    assert [path.name for path in models.iterdir()] == ["small"]


def test_verification_names_what_is_wrong(model: Model, source: Path, tmp_path: Path) -> None:
    """Absent, damaged and incomplete models are told apart."""
    models = tmp_path / "models"
    assert verify(model, models).sentence() == f"small is not installed (it would be in {models / 'small'})."
    folder = add(model, source, models)
    (folder / "mdef").write_bytes(b"damaged")
    assert verify(model, models).altered == ("mdef",)
    (folder / "mdef").unlink()
    assert verify(model, models).missing == ("mdef",)
    assert installed(model, models) is None


def test_models_lie_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """EARSHOT_MODELS comes before the user's data directory."""
    monkeypatch.setenv("EARSHOT_MODELS", str(tmp_path))
    assert default_directory() == tmp_path
    monkeypatch.delenv("EARSHOT_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_directory() == tmp_path / "data" / "earshot" / "models"


def test_known_models_are_described() -> None:
    """Every model says who made it, under which licence, how large it is and what it consists of."""
    assert find("zh-CN-tdt") is find("zh-CN") is CMU_MANDARIN
    names = [name for known in KNOWN for name in (known.id, *known.aliases)]
    assert len(set(names)) == len(names)
    for known in KNOWN:
        assert known.publisher
        assert known.licence
        assert known.size_bytes > 0
        assert any(file.required for file in known.files)
    with pytest.raises(ModelError, match="zh-CN-tdt"):
        find("no-such-model")


def test_recogniser_names_the_files_that_its_model_lacks(tmp_path: Path) -> None:
    """A configured directory without a model is one clear sentence at start."""
    with pytest.raises(ModelMissingError, match=r"mandarin_notone\.dic") as caught:
        mandarin(tmp_path)
    assert caught.value.code == "model_missing"


def test_published_model_is_the_one_that_is_known() -> None:
    """The copy in the data folder has the checksums of the list."""
    folder = require_data("models", "zh-CN-tdt")
    assert verify(CMU_MANDARIN, folder.parent).ok
    assert sum(path.stat().st_size for path in folder.iterdir()) == CMU_MANDARIN.size_bytes


def test_what_is_required_is_not_heard_by_way_of_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a model English is heard, and Mandarin by a makeshift: who requires Mandarin is told before anything starts."""
    monkeypatch.setenv("EARSHOT_MODELS", str(tmp_path))
    monkeypatch.setenv("EARSHOT_ASR_REQUIRED_LOCALES", '["en-US"]')
    heard = create_engine(EngineSettings()).capabilities
    assert (heard.locales, heard.experimental) == ({"en-US", "zh-CN"}, {"zh-CN"})
    monkeypatch.setenv("EARSHOT_ASR_REQUIRED_LOCALES", '["en-US", "zh-CN", "fr-FR"]')
    with pytest.raises(
        ModelMissingError, match=f"no model for zh-CN, fr-FR, which are required: none is in {tmp_path}"
    ):
        create_engine(EngineSettings())
    folder = tmp_path / CMU_MANDARIN.id
    folder.mkdir()
    for file in CMU_MANDARIN.files:
        (folder / file.name).touch()
    monkeypatch.setenv("EARSHOT_ASR_REQUIRED_LOCALES", '["en-US", "zh-CN"]')
    assert create_engine(EngineSettings()).capabilities.experimental == frozenset()
