"""earshot models, on directories of the test's own."""

import hashlib
import json
import tarfile

import pytest
from typer.testing import CliRunner

from earshot_cli.app import app
from earshot_models import Model, ModelError, ModelFile

CONTENT = b"means"
MODEL = Model(
    id="tiny",
    summary="A model of one file",
    locale="zh-CN",
    engine="pocketsphinx",
    publisher="Nobody",
    page="https://example.org/tiny",
    source="http://127.0.0.1:1/tiny",
    licence="CC0",
    size_bytes=len(CONTENT),
    files=(
        ModelFile(name="means", path="deep/means", size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest()),
    ),
)


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """A known model, an empty directory of installed ones, and a source folder."""
    monkeypatch.setenv("EARSHOT_MODELS", str(tmp_path / "installed"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("earshot_cli.commands.models.KNOWN", (MODEL,))

    def find(model_id):
        if model_id != MODEL.id:
            raise ModelError(f"There is no model {model_id!r}.", code="unknown_model")
        return MODEL

    monkeypatch.setattr("earshot_cli.commands.models.find", find)
    source = tmp_path / "source"
    source.mkdir()
    (source / "means").write_bytes(CONTENT)
    return source


def invoke(*arguments):
    """Run `earshot models …`."""
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


def test_list_tells_publisher_size_licence_and_state(models):
    """What people must know before they use a model, and where it is published."""
    result = invoke("list")
    assert all(word in result.stdout for word in ("tiny", "Nobody", "CC0", "not installed", "https://example.org/tiny"))
    invoke("add", "tiny", "--from", models)
    assert json.loads(invoke("list", "--json").stdout)["models"][0]["state"] == "installed"


@pytest.mark.parametrize("packed", [False, True])
def test_add_installs_from_a_directory_or_an_archive(models, tmp_path, packed):
    """The files are copied and can be verified."""
    source = models
    if packed:
        source = tmp_path / "tiny.tar.gz"
        with tarfile.open(source, "w:gz") as archive:
            archive.add(models, "deeper/tiny")
    document = json.loads(invoke("add", "tiny", "--from", source, "--json").stdout)
    assert document["folder"].endswith("tiny")
    assert invoke("verify", "tiny").exit_code == 0


def test_verify_finds_damage(models, tmp_path):
    """A changed file fails the command and is named; a model that nobody installed fails only when it is asked for."""
    assert invoke("verify").exit_code == 0
    assert invoke("verify", "tiny").exit_code == 1
    invoke("add", "tiny", "--from", models)
    (tmp_path / "installed" / "tiny" / "means").write_bytes(b"other")
    result = invoke("verify")
    assert result.exit_code == 1
    assert "means" in result.stdout


@pytest.mark.parametrize(
    "arguments", [("add", "tiny"), ("add", "tiny", "--from", "/no/such/place"), ("verify", "nope")]
)
def test_what_can_not_be_had_is_one_sentence(arguments, monkeypatch, capsys):
    """An unreachable source, a path that is not there and an unknown model are told without a traceback."""
    from earshot_cli import app as application  # noqa: PLC0415 - `app` here is the Typer object

    monkeypatch.setattr("sys.argv", ["earshot", "models", *arguments])
    with pytest.raises(SystemExit) as ended:
        application.main()
    assert ended.value.code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("earshot: ")
