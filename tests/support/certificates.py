"""Certificates of an authority of the test's own, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

OPENSSL = shutil.which("openssl")


def make(folder: Path, *names: str) -> None:
    """Make an authority, ca.crt, and the certificate and key of a server that it signed, tls.crt and tls.key.

    Args:
        folder: Where they go.
        names: The server's, as openssl writes them: "IP:127.0.0.1", "DNS:nats".
    """
    name = ("-subj", "/CN=earshot test", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl("req", "-x509", *name, "-keyout", "ca.key", "-out", "ca.crt", folder=folder)
    more = ("-addext", f"subjectAltName={','.join(names)}", "-addext", "basicConstraints=critical,CA:FALSE")
    signer = ("-CA", "ca.crt", "-CAkey", "ca.key")
    _openssl("req", "-x509", *name, *more, *signer, "-keyout", "tls.key", "-out", "tls.crt", folder=folder)


def server_options(folder: Path) -> str:
    """Return what a nats-server's configuration says of them: whoever speaks no TLS is refused."""
    return f'tls {{ cert_file: "{folder}/tls.crt", key_file: "{folder}/tls.key" }}\n'


def _openssl(*arguments: str, folder: Path) -> None:
    assert OPENSSL is not None
    subprocess.run([OPENSSL, *arguments], cwd=folder, check=True, capture_output=True)
