"""Keys that sign are replaced under work, and what they could do in a thief's hands."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import nats
import nkeys
import pytest
from nats.errors import Error

from earshot.asr.v1 import events_pb2
from earshot_local import Service, Stack
from earshot_local.credentials import Credentials
from earshot_local.home import Home
from earshot_local.keyfile import load_keys
from earshot_local.nats_server import trust_section
from earshot_local.reloading import reload
from earshot_topology import jwt
from support.nats import NatsServer, nats_server

EARSHOT = Path(sys.executable).parent / "earshot"
PROGRAM = Path(__file__).resolve().parents[1] / "chassis" / "small_service.py"


async def let_in(url: str, credentials: Path) -> bool:
    """Tell whether a bus lets somebody in."""
    client = nats.NATS()
    try:
        await client.connect(
            url, user_credentials=str(credentials), allow_reconnect=False, max_reconnect_attempts=0, error_cb=_ignore
        )
    except Error:
        return False
    finally:
        await client.close()
    return True


async def published(stack: Stack, event: bytes) -> int:
    """Store an event as the administrator whose file there is; return how many that were."""
    client = nats.NATS()
    try:
        await client.connect(
            stack.nats_url, user_credentials=str(stack.creds("admin")), allow_reconnect=False, error_cb=_ignore
        )
        await client.jetstream().publish("turn.transcribed", event, timeout=10)
    finally:
        await client.close()
    return 1


async def _ignore(_error: Exception) -> None:
    pass


@pytest.mark.timeout(180)
async def test_services_get_another_key_under_work(tmp_path: Path) -> None:
    """No event is lost: each process has a successor that came by the new key before the old one is ended; streams stay."""
    worker = Service(name="nlu", module="", role="nlu", command=(sys.executable, "-P", str(PROGRAM)))
    async with Stack(home=tmp_path, services=(worker,), tracestore=False) as stack:
        await stack.ready(60)
        account, copy = load_keys(stack.home).services, tmp_path / "copy.creds"
        copy.write_text(stack.creds("nlu").read_text())
        before = stack.processes["nlu-0"].pid
        over = asyncio.Event()

        async def say() -> int:
            number = 0
            while not over.is_set():
                event = events_pb2.TurnTranscribed()
                event.turn.turn_id = f"turn-{number}"
                # By whatever is in the file at this moment; who is hung up on says it again.
                with suppress(Error, nats.js.errors.Error):
                    number += await published(stack, event.SerializeToString())
                await asyncio.sleep(0.1)
            return number

        saying = asyncio.create_task(say())
        done = await asyncio.to_thread(
            subprocess.run,
            [str(EARSHOT), "credentials", "rotate", "service"],
            env={**os.environ, "EARSHOT_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        over.set()
        assert done.returncode == 0, done.stderr
        said = await saying
        assert "nlu-0: started anew" in done.stdout
        assert stack.processes["nlu-0"].pid != before
        assert load_keys(stack.home).services == account
        assert (await let_in(stack.nats_url, copy), await let_in(stack.nats_url, stack.creds("nlu"))) == (False, True)
        reader = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        async with asyncio.timeout(60):
            while True:
                info = await reader.jetstream().stream_info("TURNS", subjects_filter="turn.interpreted")
                if (info.state.subjects or {}).get("turn.interpreted", 0) >= said > 0:
                    break
                await asyncio.sleep(0.05)
        await reader.close()


@pytest.mark.parametrize("system", [False, True])
async def test_what_the_operator_s_key_does_in_a_thief_s_hands(tmp_path: Path, system: bool) -> None:  # noqa: FBT001
    """Alone it lets nobody in. With a user of the system account an account is another one, until the next reload, which puts it right."""
    home = Home(tmp_path)
    home.make()
    credentials = Credentials(home)
    (tmp_path / "nats.conf").write_text('max_control_line: 32768\ninclude "trust.conf"\n')
    (tmp_path / "trust.conf").write_text(trust_section(credentials.trust))
    keys = load_keys(home)
    evil, forged = jwt.new_seed(nkeys.PREFIX_BYTE_ACCOUNT), tmp_path / "forged.creds"
    claims = {"limits": jwt._LIMITS | jwt._JETSTREAM, "signing_keys": [jwt.public(evil)]}
    statement = jwt._sign("account", "EARSHOT", keys.services, claims, keys.operator_signing or b"")
    forged.write_text(jwt._user("admin", jwt._USER_LIMITS, account=keys.services, signer=evil))
    async with nats_server(tmp_path / "store", streams=False, config=tmp_path / "nats.conf") as server:
        # A server holds an account while somebody of it is there.
        somebody = await server.connect(user_credentials=str(credentials.issue("nlu")), allow_reconnect=False)
        pushed = await push(server, credentials.issue("system" if system else "admin"), keys.services, statement)
        assert (pushed, await let_in(server.url, forged)) == (system, system)
        client = await server.connect(user_credentials=str(credentials.issue("system")))
        assert [answer.trouble for answer in await reload(client, credentials.trust)] == [""]
        assert not await let_in(server.url, forged)
        await somebody.close()
        credentials.rotate_operator()
        (tmp_path / "trust.conf").write_text(trust_section(credentials.trust))
        (answer,) = await reload(client, credentials.trust, patience_s=0)
        assert answer.trouble == "takes another operator only when it is started anew"
        await client.close()


async def push(server: NatsServer, credentials: Path, account: str, statement: str) -> bool:
    """Tell a server another statement of an account; return whether it took it."""
    client = await server.connect(user_credentials=str(credentials))
    try:
        answer = await client.request(f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.UPDATE", statement.encode(), timeout=2)
        return "error" not in json.loads(answer.data)
    except Error:
        return False
    finally:
        await client.close()
