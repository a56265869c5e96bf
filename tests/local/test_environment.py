"""Setting up .venv on a machine that lacks something."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "local" / "environment.py"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The script as a module, working in a folder of the test's."""
    spec = importlib.util.spec_from_file_location("environment", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LOCK", tmp_path / "build" / "lock")
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / ".installed")
    return module


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_missing_module_is_named_with_its_debian_package(environment, monkeypatch, capsys, missing):
    """Debian ships Python without venv and ensurepip; the message says what to install."""
    find = importlib.util.find_spec
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(SystemExit) as ended:
        environment.check_python()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert missing in said
    assert "apt install python3-venv" in said


def test_an_old_python_is_refused(environment, monkeypatch, capsys):
    """The version that is there is named."""
    monkeypatch.setattr(environment, "MINIMUM", (99, 0))
    with pytest.raises(SystemExit):
        environment.check_python()
    assert sys.version.split()[0] in capsys.readouterr().err


def test_what_is_up_to_date_is_not_installed_again(environment, monkeypatch):
    """The same inputs install once; another requirement, or an interrupted run, installs again."""
    installed = []
    monkeypatch.setattr(environment, "install", lambda: (environment.VENV.mkdir(exist_ok=True), installed.append(1)))
    environment.main()
    environment.main()
    assert len(installed) == 1
    monkeypatch.setattr(environment, "fingerprint", lambda: "another requirement")
    environment.main()
    assert len(installed) == 2
    environment.STAMP.unlink()
    environment.main()
    assert len(installed) == 3


def test_a_new_skill_and_a_changed_one_are_installed(environment, monkeypatch, tmp_path):
    """A folder below services/skills, or another entry point in its pyproject.toml, makes the next make install."""
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "REQUIREMENTS", tmp_path / "requirements")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    (tmp_path / "environment.py").touch()
    prints = [environment.fingerprint()]
    project = tmp_path / "services" / "skills" / "dice" / "pyproject.toml"
    project.parent.mkdir(parents=True)
    for content in ("[project]", '[project.entry-points."earshot.skills"]'):
        project.write_text(content)
        prints.append(environment.fingerprint())
    assert environment.distributions() == [project.parent]
    assert len(set(prints)) == len(prints)


def test_a_step_that_fails_shows_its_output_and_ends(environment, capsys):
    """What the step printed is shown, and the stamp is not written."""
    with pytest.raises(SystemExit):
        environment.run("trying", [sys.executable, "-c", "print('no such package'); raise SystemExit(3)"])
    said = capsys.readouterr().err
    assert "no such package" in said
    assert "trying" in said
    assert not environment.STAMP.exists()


def test_the_index_of_pip_is_used_by_uv(environment, monkeypatch):
    """A machine is configured for pip; what its user said to uv itself wins, and extra indexes are left out."""

    class Listed:
        stdout = "global.index-url='http://index'\n:env:.extra-index-url='http://a'\n:env:.cert='/certificates'\n"

    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: Listed)
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    env = environment.uv_environment(Path(sys.executable))
    assert (env["UV_DEFAULT_INDEX"], env["SSL_CERT_FILE"]) == ("http://index", "/certificates")
    assert "UV_INDEX" not in env
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://mine")
    assert environment.uv_environment(Path(sys.executable))["UV_DEFAULT_INDEX"] == "http://mine"


def test_a_step_may_have_another_way(environment, capsys):
    """What fails is shown, then the other way is tried."""
    failing = [sys.executable, "-c", "print('no route'); raise SystemExit(1)"]
    environment.run("installing", failing, instead=[sys.executable, "-c", ""])
    assert "no route" in capsys.readouterr().err
