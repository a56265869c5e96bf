"""What `make image` says and does before and around buildah; the builds themselves are in `make test-images`."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from images import dockerfiles, index, seal
from images.build import pinned
from images.buildah import parsed
from images.workspace import ROOT


def image(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command behind `make image`."""
    return subprocess.run(
        [sys.executable, "-m", "images.build", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "deploy"), **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_without_buildah_it_says_what_to_install(tmp_path: Path) -> None:
    """Where buildah is not installed, one line says how to install it, and what to do instead."""
    done = image("asr", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("missing_tool: buildah is missing: apt-get install buildah")
    assert "docker build" in done.stderr
    assert done.stderr.count("\n") == 1


def test_make_wants_a_service() -> None:
    """Without a service, make says how to name one."""
    done = subprocess.run(
        ["make", "--no-print-directory", "-o", ".venv/.installed", "image"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "make image SERVICE=asr" in done.stderr
    assert done.returncode != 0


def test_the_build_asks_this_machines_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build is told where this machine's pip finds packages, folders and certificates included, and nothing else of it."""
    packages, wheels, certificate = tmp_path / "mirror" / "simple", tmp_path / "wheels", tmp_path / "ca.pem"
    packages.mkdir(parents=True)
    wheels.mkdir()
    certificate.write_text("a certificate")
    (tmp_path / "pip.conf").write_text(
        f"[global]\nextra-index-url = file://{packages}\nfind-links = {wheels}\ncert = {certificate}\n"
        f"constraint = {tmp_path}/constraints.txt\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "scratch").mkdir()
    mounts = index.arguments(tmp_path / "scratch")[1::2]
    written = (tmp_path / "scratch" / "pip.conf").read_text()
    assert "extra-index-url = file:///run/build/packages1/simple" in written
    assert "find-links = /run/build/packages2" in written
    assert "cert = /run/build/settings/certificates.pem" in written
    assert "constraint" not in written
    assert str(tmp_path) not in written
    # The index names its files beside it.
    assert mounts[:3] == [
        f"{tmp_path}/scratch:/run/build/settings:ro",
        f"{packages.parent}:/run/build/packages1:ro",
        f"{wheels}:/run/build/packages2:ro",
    ]
    assert (tmp_path / "scratch" / "certificates.pem").read_text() == "a certificate"


def base(root: Path, *programs: str) -> Path:
    """Make what a base looks like."""
    library = root / sysconfig.get_path("stdlib").lstrip("/")
    for folder in ("usr/bin", "usr/share/python-wheels", "etc"):
        (root / folder).mkdir(parents=True)
    for package in (
        "ensurepip",
        "json",
        "site-packages/pip",
        "site-packages/pip-24.0.dist-info",
        "site-packages/certifi",
    ):
        (library / package).mkdir(parents=True)
    for program in programs:
        (root / "usr/bin" / program).touch(mode=0o755)
    return library


def test_what_installs_is_taken_out(tmp_path: Path) -> None:
    """Pip, its metadata and its programs leave the base, and set-user-id bits; the rest stays."""
    library = base(tmp_path, "pip", "pip3.11", "python3", "mount")
    (tmp_path / "usr/bin/mount").chmod(0o4755)
    seal.seal(tmp_path)
    assert sorted(path.name for path in (tmp_path / "usr/bin").iterdir()) == ["mount", "python3"]
    assert (tmp_path / "usr/bin/mount").stat().st_mode & 0o7777 == 0o755
    assert [path.name for path in (library / "site-packages").iterdir()] == ["certifi"]
    assert not (library / "ensurepip").exists()
    assert (library / "json").exists()
    assert "earshot:x:10001:10001:" in (tmp_path / "etc/passwd").read_text()
    assert (tmp_path / "var/cache/earshot").is_dir()


def test_a_base_with_compilers_is_refused(tmp_path: Path) -> None:
    """A base that brings a compiler is refused, with what it brings."""
    base(tmp_path, "gcc", "make")
    with pytest.raises(SystemExit, match="base_has_build_tools: this base brings gcc, make"):
        seal.seal(tmp_path)


def test_sizes_are_read() -> None:
    """What buildah prints as a size is a number of bytes."""
    assert parsed("312 MB") == 312_000_000
    assert parsed("1.5 GB") == 1_500_000_000


def test_a_base_is_pinned_by_its_digest_alone() -> None:
    """A tag may mean another image tomorrow, whatever it says; a digest can't."""
    digest = f"sha256:{'0a' * 32}"
    assert pinned(f"python@{digest}")
    assert pinned(f"python:3.11-slim-bookworm@{digest}")
    assert not any(pinned(name) for name in ("python", "python:3.11.9", f"python:{'0a' * 32}", f"python@{digest[:-1]}"))


@pytest.mark.parametrize("text", ["", "# none\n", "python:3.11\npython:3.12\n", "python:3.11 # a remark\n"])
def test_a_base_has_to_be_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A file that names no base or two, or a remark beside one, makes no Dockerfile."""
    (tmp_path / "deploy" / "images").mkdir(parents=True)
    (tmp_path / dockerfiles.BASE).write_text(text)
    monkeypatch.setattr(dockerfiles, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="has to name one base image"):
        dockerfiles.official()
