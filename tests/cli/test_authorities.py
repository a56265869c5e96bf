"""A bus whose certificate an authority of one's own has signed: every command that goes there is told which by --ca."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from earshot_cli.app import main
from earshot_device.device import Device
from earshot_device.errors import CredentialRefusedError
from earshot_device.settings import DeviceSettings
from earshot_local.credentials import Credentials
from earshot_local.home import Home
from earshot_local.nats_server import trust_section
from support.certificates import OPENSSL, make, server_options
from support.nats import NatsServer, nats_server

EARSHOT = Path(sys.executable).parent / "earshot"
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="certificates are made by openssl")


async def earshot(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command against a state folder."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(EARSHOT), *arguments],
        env={**os.environ, "EARSHOT_HOME": str(home), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A state folder with keys, credentials and, beside them, certificates."""
    folder = Home(tmp_path)
    folder.make()
    Credentials(folder).issue_services()
    make(tmp_path, "IP:127.0.0.1")
    return folder


@pytest_asyncio.fixture
async def server(home: Home) -> AsyncIterator[NatsServer]:
    """A nats-server that speaks TLS alone, and lets in whom those keys vouch for."""
    config = home.root / "nats.conf"
    trust = trust_section(Credentials(home).trust)
    config.write_text(f"max_control_line: 32768\n{server_options(home.root)}{trust}")
    async with nats_server(home.root / "store", streams=False, config=config) as running:
        yield running


async def test_the_authority_of_a_bus_is_an_option(home: Home, server: NatsServer) -> None:
    """By name or by the environment; where it is not given, one line says that it is to be."""
    admin = ("--credentials", str(home.credentials / "admin.creds"))
    url, ca = f"tls://127.0.0.1:{server.port}", home.root / "ca.crt"
    made = await earshot(home.root, "bus", "apply", "--url", url, *admin, "--ca", str(ca))
    assert made.returncode == 0, made.stderr
    by_environment = await earshot(home.root, "bus", "diff", "--url", url, *admin, EARSHOT_NATS_CA=str(ca))
    assert by_environment.stdout == "the bus holds what is declared\n"
    parked = await earshot(home.root, "parked", "list", "--url", url, *admin, "--ca", str(ca))
    assert (parked.returncode, parked.stdout) == (0, "nothing is parked\n")

    # A server's word that it speaks TLS is enough: the address need not say so.
    plain = url.replace("tls://", "nats://")
    for command in (("bus", "diff", "--url", url, *admin), ("parked", "list", "--url", plain, *admin)):
        refused = await earshot(home.root, *command)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1), refused.stderr
        assert "its certificate can't be verified" in refused.stderr
        assert "--ca FILE names the authority that signed it" in refused.stderr
    elsewhere = await earshot(
        home.root, "bus", "diff", "--url", url.replace("127.0.0.1", "localhost"), *admin, "--ca", str(ca)
    )
    assert elsewhere.returncode == 1
    assert "its certificate is for other names" in elsewhere.stderr


async def test_commands_of_an_attached_bus_know_its_authority(home: Home, server: NatsServer) -> None:
    """Whoever attached has said it: administrators and devices are not asked again."""
    url, ca = f"tls://127.0.0.1:{server.port}", home.root / "ca.crt"
    attached = await asyncio.create_subprocess_exec(
        *(str(EARSHOT), "attach", "--url", url, "--ca", str(ca), "--json"),
        env={**os.environ, "EARSHOT_HOME": str(home.root)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert attached.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert json.loads(await attached.stdout.readuntil(b"\n}\n"))["nats"] == url
        found = await earshot(home.root, "bus", "apply")
        assert found.returncode == 0, found.stderr
        assert home.running().nats_ca == str(ca)
    finally:
        attached.terminate()
        await attached.wait()
    settings = DeviceSettings(
        nats_url=url,
        nats_ca=ca,
        household_id="home",
        device_id="kitchen",
        credentials=Credentials(home).device("home", "kitchen"),
    )
    async with Device(settings) as device:
        assert device.connected
    (home.root / "none.crt").write_text("no certificate")
    with pytest.raises(CredentialRefusedError) as caught:
        await Device(settings.model_copy(update={"nats_ca": home.root / "none.crt"})).__aenter__()
    assert caught.value.code == "authorities_unreadable"


@pytest.mark.parametrize(
    "command",
    [
        ("bus", "diff", "--url", "tls://127.0.0.1:1"),
        ("bus", "apply"),
        ("parked", "list"),
        ("parked", "show", "1"),
        ("parked", "replay", "--yes"),
        ("parked", "drop", "--yes"),
        ("attach",),
    ],
    ids=" ".join,
)
def test_a_file_without_authorities_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """Missing, or no certificate: exit code 2, a code, and one line that names the file."""
    folder = Home(tmp_path)
    folder.make()
    Credentials(folder).issue_services()
    file = tmp_path / "ca.crt"
    if len(command) % 2:
        file.write_text("no certificate")
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["earshot", *command, "--ca", str(file), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    found = capsys.readouterr()
    assert (ended.value.code, found.err.count("\n")) == (2, 1), found.err
    told = json.loads(found.out)["error"]
    assert told["code"] == "authorities_unreadable"
    assert str(file) in told["message"]
