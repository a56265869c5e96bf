"""Users that are called back: the server hangs up on them and refuses them, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from earshot_local import Stack
from earshot_local.credentials import Credentials
from earshot_local.home import Home
from earshot_local.keyfile import load_keys
from earshot_local.nats_server import trust_section
from earshot_local.reloading import reload
from earshot_topology import jwt
from support.nats import nats_server

EARSHOT = Path(sys.executable).parent / "earshot"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run a bus with nobody on it."""
    home = tmp_path_factory.mktemp("home")
    async with Stack(home=home, services=(), tracestore=False) as running:
        yield running


async def earshot(stack: Stack, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command against the stack's folder."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(EARSHOT), "credentials", *arguments],
        env={**os.environ, "EARSHOT_HOME": str(stack.home.root), "COLUMNS": "200"},
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def tell(stack: Stack, credentials: Credentials) -> None:
    """Tell the stack's server whom to let in, as the command does."""
    stack.home.trust.write_text(trust_section(credentials.trust))
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("system")))
    assert [answer.trouble for answer in await reload(client, credentials.trust)] == [""]
    await client.close()


@dataclass(slots=True)
class Connected:
    """A connection that does not come back by itself, and what became of it."""

    client: Client = field(default_factory=nats.NATS)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def close(self) -> None:
        """End it."""
        await self.client.close()


async def connect(stack: Stack, credentials: Path, inbox: str) -> Connected:
    """Connect as whoever a file is of."""
    made = Connected()

    async def ended() -> None:
        made.ended.set()

    async def ignore(_error: Exception) -> None:
        pass

    try:
        await made.client.connect(
            stack.nats_url,
            user_credentials=str(credentials),
            inbox_prefix=inbox,
            allow_reconnect=False,
            max_reconnect_attempts=0,
            closed_cb=ended,
            error_cb=ignore,
        )
    except Error:
        await made.client.close()
        raise
    return made


async def refused(stack: Stack, credentials: Path) -> bool:
    """Tell whether a user is let in no more."""
    try:
        await (await connect(stack, credentials, "_INBOX_none")).close()
    except Error as error:
        return "authorization" in str(error).lower()
    return False


async def test_a_revoked_device_is_gone_and_its_neighbour_stays(stack: Stack, tmp_path: Path) -> None:
    """Every user that the device ever had; it may be issued another one, which is let in."""
    stolen, other = stack.device_credentials("home", "stolen"), stack.device_credentials("home", "other")
    before, copy = tmp_path / "before.creds", tmp_path / "copy.creds"
    stolen.rename(before)
    copy.write_text(stack.device_credentials("home", "stolen").read_text())
    first, second = await connect(stack, before, "_INBOX_h_s"), await connect(stack, copy, "_INBOX_h_s")
    neighbour = await connect(stack, other, "_INBOX_h_o")
    heard = await neighbour.client.subscribe("device.home.other.down.>")
    await neighbour.client.flush()

    done = await earshot(stack, "revoke", "device", "home", "stolen")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("revoked: device home/stolen") == 2
    assert "nats-server: lets in whom it should" in done.stdout
    async with asyncio.timeout(10):
        await first.ended.wait()
        await second.ended.wait()
    assert await refused(stack, before)
    assert await refused(stack, copy)

    assert not neighbour.ended.is_set()
    admin = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
    await admin.jetstream().publish("device.home.other.down.directive", b"still here")
    assert (await heard.next_msg(timeout=10)).data == b"still here"
    await admin.close()

    anew = await connect(stack, stack.device_credentials("home", "stolen"), "_INBOX_h_s")
    await anew.client.flush()
    for each in (first, second, neighbour, anew):
        await each.close()


async def test_a_service_gets_another_user(stack: Stack, tmp_path: Path) -> None:
    """Whoever has a copy of the old one is refused; the file of the state folder is that of the new one."""
    copy = tmp_path / "admin.creds"
    copy.write_text(stack.creds("admin").read_text())
    done = await earshot(stack, "revoke", "service", "admin", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert jwt.read_claims(copy.read_text())["sub"] in [each["user"] for each in told["revoked"]]
    assert told["servers"] == ["nats-server"]
    assert await refused(stack, copy)
    assert not await refused(stack, stack.creds("admin"))


async def test_what_somebody_else_made_of_our_keys_is_revoked_by_its_file(stack: Stack, tmp_path: Path) -> None:
    """A skill's that the operator made, for instance; what is none, or of other keys, is told."""
    signing = load_keys(stack.home).skill_signing
    file, other = tmp_path / "trivia.creds", tmp_path / "other.creds"
    file.write_text(jwt.skill_user(signing, "trivia", expires=int(time.time()) + 600))
    other.write_text(jwt.skill_user(signing, "other", expires=int(time.time()) + 600))
    done = await earshot(stack, "revoke", "file", "-", given=file.read_text())
    assert done.stdout.startswith("revoked: skill trivia, made ")
    assert await refused(stack, file)
    assert not await refused(stack, other)
    for text in ("no credentials", jwt.skill_user(jwt.Keys.generate().skill_signing, "trivia")):
        with pytest.raises(ValueError, match=r"credentials file|other keys"):
            Credentials(stack.home).whose(text)


async def test_a_signing_key_is_replaced(stack: Stack, tmp_path: Path) -> None:
    """With --keep what the old one signed stays until it is retired; without, it ends at once. Other kinds do not notice."""
    credentials = Credentials(stack.home)
    old, skill = tmp_path / "old.creds", tmp_path / "skill.creds"
    old.write_text(credentials.device("home", "rotated").read_text())
    skill.write_text(jwt.skill_user(load_keys(stack.home).skill_signing, "toy"))
    device = await connect(stack, old, "_INBOX_h_r")

    assert (await earshot(stack, "rotate", "device", "--keep")).returncode == 0
    new = Credentials(stack.home).device("home", "rotated")
    assert new.read_text() != old.read_text()
    assert (await refused(stack, old), await refused(stack, new)) == (False, False)
    assert not device.ended.is_set()

    credentials = Credentials(stack.home)
    credentials.retire("device")
    await tell(stack, credentials)
    async with asyncio.timeout(10):
        await device.ended.wait()
    assert (await refused(stack, old), await refused(stack, new), await refused(stack, skill)) == (True, False, False)

    credentials.rotate("skill", keep=False)
    await tell(stack, credentials)
    assert (await refused(stack, skill), await refused(stack, new)) == (True, False)
    await device.close()


async def test_a_server_that_does_not_take_it_is_named(stack: Stack) -> None:
    """It says what it holds: a configuration that was not written, or that can't be read, is not taken for done."""
    credentials = Credentials(stack.home)
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("system")))
    kept = stack.home.trust.read_text()
    try:
        credentials.revoke([credentials.whose(credentials.device("home", "late").read_text())])
        (answer,) = await reload(client, credentials.trust, patience_s=0)
        assert (answer.server, "other statements" in answer.trouble) == ("nats-server", True)
        stack.home.trust.write_text("operator {")
        (answer,) = await reload(client, credentials.trust, patience_s=0)
        assert "error parsing" in answer.trouble
    finally:
        stack.home.trust.write_text(kept)
    done = await earshot(stack, "reload")
    assert (done.returncode, done.stdout) == (0, "nats-server: lets in whom it should\n")
    *_, missing = await reload(client, credentials.trust, servers=2, patience_s=0)
    assert missing.trouble == "does not answer"
    await client.close()


async def test_a_configuration_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """As a pod's, which sees a changed ConfigMap after a while: it is asked again until it has it."""
    folder = Home(tmp_path)
    folder.make()
    credentials = Credentials(folder)
    (tmp_path / "nats.conf").write_text('max_control_line: 32768\ninclude "trust.conf"\n')
    (tmp_path / "trust.conf").write_text(trust_section(credentials.trust))
    device = credentials.device("home", "kitchen")
    copy = tmp_path / "copy.creds"
    copy.write_text(device.read_text())
    asked: list[str] = []
    async with nats_server(tmp_path / "store", streams=False, config=tmp_path / "nats.conf") as server:
        connected = await server.connect(user_credentials=str(copy), allow_reconnect=False)
        client = await server.connect(user_credentials=str(credentials.issue("system")))
        credentials.revoke([credentials.whose(copy.read_text())])

        async def hear(message: Msg) -> None:
            asked.append(message.subject)
            if sum(subject.endswith(".RELOAD") for subject in asked) == 2:
                # Now the ConfigMap is there; twice it was not.
                (tmp_path / "trust.conf").write_text(trust_section(credentials.trust))

        await client.subscribe("$SYS.REQ.SERVER.*.RELOAD", cb=hear)
        (answer,) = await reload(client, credentials.trust, patience_s=60)
        assert answer.trouble == ""
        assert len(asked) >= 2
        async with asyncio.timeout(10):
            while not connected.is_closed:
                await asyncio.sleep(0.02)
        await client.close()


async def test_everybody_of_a_kind_is_revoked_at_once(stack: Stack, tmp_path: Path) -> None:
    """Also those of whom nobody knows; who is made afterwards is let in."""
    unknown = tmp_path / "unknown.creds"
    unknown.write_text(jwt.device_user(load_keys(stack.home), "home", "unknown"))
    copies = tmp_path / "tts.creds"
    copies.write_text(stack.creds("tts").read_text())
    credentials = Credentials(stack.home)
    credentials.revoke_all("device")
    await tell(stack, credentials)
    assert await refused(stack, unknown)
    assert not await refused(stack, Credentials(stack.home).device("home", "unknown"))
    assert not await refused(stack, copies)
    credentials.revoke_all("service")
    await tell(stack, credentials)
    assert await refused(stack, copies)
    assert not await refused(stack, stack.creds("tts"))


async def test_a_bus_that_is_started_anew_remembers(tmp_path: Path) -> None:
    """What was revoked while nothing ran is refused when something does."""
    folder = Home(tmp_path)
    folder.make()
    credentials = Credentials(folder)
    copy = tmp_path / "copy.creds"
    copy.write_text(credentials.device("home", "kitchen").read_text())
    credentials.revoke([user for user, _ in credentials.issued() if user.name == "home/kitchen"])
    async with Stack(home=tmp_path, services=(), tracestore=False) as stack:
        assert await refused(stack, copy)
        assert not await refused(stack, stack.device_credentials("home", "kitchen"))
        listed = json.loads((await earshot(stack, "list", "--kind", "device", "--all", "--json")).stdout)["issued"]
        assert [each["revoked"] for each in listed] == [True, False]
        let_in = json.loads((await earshot(stack, "list", "--kind", "device", "--json")).stdout)
        assert let_in == {"issued": listed[1:], "older": 0, "ended": 1}


async def test_an_expired_service_is_let_in_no_more(stack: Stack) -> None:
    """A credential may be given an end of its own, like a skill's."""
    credentials = Credentials(stack.home)
    assert await refused(stack, credentials.issue("nlu", expires=int(time.time()) - 1))
    assert not await refused(stack, credentials.issue("nlu", expires=int(time.time()) + 600))
