"""An offline base: what stands in for the official `python` image where no image registry can be reached.

It is made of this Debian's own packages, fetched by apt from wherever this machine has them: Python with its standard library,
C and C++ runtime, certificates, time zones. They are unpacked, not installed, so nothing runs in them: no shell, no package
manager, none of their scripts is there. It needs no root, and a few seconds.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from images.buildah import Buildah, MissingToolError

NAME = "localhost/earshot/base:offline"
_WANTED = (
    "base-files",
    "ca-certificates",
    "libgomp1",
    "libpython3-stdlib",
    "libstdc++6",
    "media-types",
    "netbase",
    "python3-minimal",
    "python3-venv",
    "tzdata",
)
# They come with the others, for scripts that do not run here.
_LEFT_OUT = ("debconf", "dpkg", "mawk", "openssl", "perl-base", "tar")
_MERGED = ("bin", "lib", "lib64", "sbin")
_DROPPED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/perl5",
    "var/cache/apt",
)
_KEPT = "copyright"
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8"}


def check_tools() -> None:
    """Look for what makes the base.

    Raises:
        MissingToolError: This is no Debian.
    """
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        raise MissingToolError(
            f"{' and '.join(missing)} missing: the offline base is made of Debian's packages. "
            "Elsewhere, give BASE=<an image with Python 3.11 or newer and its venv module>."
        )


def fetch(folder: Path) -> list[Path]:
    """Fetch the packages with all that they depend on; return their files.

    Raises:
        MissingToolError: apt can't fetch them.
    """
    nothing, archives = folder / "status", folder / "archives"
    nothing.touch()
    (archives / "partial").mkdir(parents=True)
    options = {"Dir::State::status": nothing, "Dir::Cache::archives": archives, "APT::Install-Recommends": "false"}
    command = ["apt-get", "--download-only", "-y", "-qq", "install", *_WANTED]
    for name, value in options.items():
        command[1:1] = ["-o", f"{name}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no input from elsewhere
    if done.returncode:
        raise MissingToolError(
            f"apt can't fetch Debian's packages (is `apt-get update` due?): {done.stderr.strip()[-1000:]}"
        )
    return sorted(path for path in archives.glob("*.deb") if path.name.split("_")[0] not in _LEFT_OUT)


def unpack(packages: list[Path], root: Path) -> None:
    """Unpack packages, and do the few things that their scripts would."""
    root.mkdir()
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    # A container's own things are mounted on these.
    for name in ("proc", "sys", "dev", "tmp", "run", "var"):
        (root / name).mkdir()
    (root / "var" / "run").symlink_to("../run")
    for package in packages:
        # By way of tar, because dpkg-deb would replace /lib and the like by folders.
        with subprocess.Popen(("dpkg-deb", "--fsys-tarfile", package), stdout=subprocess.PIPE) as archive:  # noqa: S603, S607
            command = ("tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory", root)
            subprocess.run(command, stdin=archive.stdout, check=True)  # noqa: S603 - likewise
    for name in _DROPPED:
        for path in sorted((root / name).rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.name != _KEPT:
                path.unlink()
    trusted = root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    trusted.parent.mkdir(parents=True, exist_ok=True)
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    trusted.write_text("".join(path.read_text() for path in authorities))
    (root / "usr/lib/ssl").mkdir(parents=True, exist_ok=True)
    (root / "usr/lib/ssl/cert.pem").unlink(missing_ok=True)
    (root / "usr/lib/ssl/cert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
    )
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\nservices: files\n")
    (root / "tmp").chmod(0o1777)


def make(buildah: Buildah) -> str:
    """Make the base, unless it is there; return its name.

    Raises:
        MissingToolError: Something that makes it is not installed.
        BuildahError: buildah refused.
    """
    if buildah.has(NAME):
        return NAME
    check_tools()
    with tempfile.TemporaryDirectory(prefix="earshot-base-") as scratch:
        folder = Path(scratch)
        unpack(fetch(folder), folder / "root")
        container = buildah.ask("from", "scratch")
        try:
            buildah.ask("add", "--quiet", container, str(folder / "root"), "/")
            for name, value in _ENVIRONMENT.items():
                buildah.ask("config", "--env", f"{name}={value}", container)
            buildah.ask("commit", "--quiet", container, NAME)
        finally:
            buildah.ask("rm", container)
    return NAME
