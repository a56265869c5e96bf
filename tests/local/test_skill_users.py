"""Users of skills, as the operator signs them: what the signing key can make, and what it can't."""

from __future__ import annotations

import asyncio
import time

import nats
import pytest
from nats.js.errors import KeyNotFoundError

from earshot_local import Stack
from earshot_local.keyfile import load_keys
from earshot_topology import jwt
from earshot_topology.permissions import Permissions
from earshot_topology.subjects import SKILLS_API, InvalidTokenError


async def connect(client, stack, file, credentials, errors):
    """Connect as a skill's user."""
    file.write_text(credentials)

    async def tell(error):
        errors.append(str(error))

    await client.connect(
        stack.nats_url,
        user_credentials=str(file),
        inbox_prefix="_INBOX_skill-toy",
        allow_reconnect=False,
        max_reconnect_attempts=0,
        error_cb=tell,
    )


async def test_a_skills_user_is_that_skill_and_no_other(tmp_path):
    """Whatever is claimed: the account's template decides, and an end of life is an end."""
    async with Stack(home=tmp_path / "home", services=(), tracestore=False) as stack:
        signing = load_keys(stack.home).skill_signing
        later = int(time.time()) + 600
        errors: list[str] = []
        client = nats.NATS()
        await connect(client, stack, tmp_path / "toy.creds", jwt.skill_user(signing, "toy", expires=later), errors)
        skills = await client.jetstream(prefix=SKILLS_API).key_value("SKILLS")
        await skills.put("toy.1.0.0", b"x")
        await client.publish("parked.skill-toy.home", b"x")
        await client.flush()
        assert errors == []
        for subject in ("$KV.SKILLS.clock.1.0.0", "parked.skill-clock.home", "turn.interpreted", "turn.outcome.h.d.t"):
            await client.publish(subject, b"x")
        async with asyncio.timeout(5):
            while len(errors) < 4:
                await asyncio.sleep(0.02)
        assert len(errors) == 4

        # Whoever asks names the subject of the answer, and the server asks nobody whether they may.
        states = await client.jetstream(prefix=SKILLS_API).key_value("SKILL_STATES")
        await states.put("toy.home", b"whatever a skill likes to say")
        listening = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        heard = await listening.subscribe("device.home.kitchen.down.directive")
        turns = listening.jetstream()
        before = (await turns.stream_info("TURNS")).state.messages
        get = f"{SKILLS_API}.DIRECT.GET.KV_SKILL_STATES.$KV.SKILL_STATES.toy.home"
        for reply in ("device.home.kitchen.down.directive", "turn.interpreted", "$KV.SKILLS.clock.9.0.0"):
            await client.publish(get, reply=reply)
            await client.publish("$KV.SKILL_STATES.toy.home", b"x", reply=reply)
        await client.flush()
        # Asked behind them, and answered: so were they.
        assert (await states.get("toy.home")).value == b"x"
        await listening.flush()
        assert heard.pending_msgs == 0
        assert (await turns.stream_info("TURNS")).state.messages == before
        with pytest.raises(KeyNotFoundError):
            await skills.get("clock.9.0.0")
        await listening.close()
        await client.close()

        # Signed by the same key, with claims of its own: refused, for a scoped key's users have none.
        everything = jwt._permissions(Permissions(publish=(">",), subscribe=(">",)))
        claiming = jwt._user("toy", everything, account=signing.account, signer=signing.seed, expires=later)
        past = jwt.skill_user(signing, "toy", expires=int(time.time()) - 1)
        for credentials in (claiming, past):
            client = nats.NATS()
            with pytest.raises(nats.errors.Error, match="Authorization"):
                await connect(client, stack, tmp_path / "refused.creds", credentials, [])
            await client.close()


def test_credentials_can_be_read():
    """By whoever renews them; what is none is told."""
    signing = jwt.Keys.generate().skill_signing
    claims = jwt.read_claims(jwt.skill_user(signing, "toy", expires=123))
    assert (claims["name"], claims["exp"], claims["iss"]) == ("toy", 123, signing.public)
    with pytest.raises(ValueError, match="credentials"):
        jwt.read_claims("-----BEGIN NATS USER JWT-----")
    with pytest.raises(InvalidTokenError):
        jwt.skill_user(signing, "toy.>", expires=123)
