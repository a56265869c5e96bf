"""What a bus holds against what is declared: every kind of drift is told, nothing is lost without a flag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, KeyValueConfig, StorageType, StreamConfig

from earshot_local import Stack
from earshot_local.keyfile import load_keys
from earshot_topology import declared
from earshot_topology.apply import Change, DestructiveChangeError, apply, diff
from earshot_topology.held import differences, reported
from support import keda
from support.browsing import browser
from support.nats import nats_server


@pytest.fixture
async def jetstream(tmp_path: Path) -> AsyncIterator[JetStreamContext]:
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        yield client.jetstream()
        await client.close()


async def lines(jetstream: JetStreamContext) -> list[str]:
    """Return the drift as people read it."""
    return [line for drift in await diff(jetstream) for line in drift.lines()]


async def altered(jetstream: JetStreamContext, stream: str, **changes: object) -> None:
    """Change a stream behind the declaration's back."""
    config = (await jetstream.stream_info(stream)).config
    await jetstream.update_stream(replace(config, **changes))


async def changed(jetstream: JetStreamContext, **options: bool) -> dict[str, Change]:
    """Apply; return what was done, but for what needed nothing."""
    return {
        f"{one.kind} {one.name}": one.change
        for one in await apply(jetstream, **options)
        if one.change is not Change.UNCHANGED
    }


async def test_a_bus_as_declared_has_no_drift(jetstream: JetStreamContext) -> None:
    """Also right after it was made, of every kind."""
    assert await lines(jetstream) == []
    assert await changed(jetstream) == {}


async def test_values_that_differ_are_told_and_mended(jetstream: JetStreamContext) -> None:
    """Field by field, of a stream, a bucket, an object store and a consumer."""
    await altered(jetstream, "TURNS", max_bytes=1 << 20, description="somebody's")
    await altered(jetstream, "KV_SKILLS", allow_direct=False)
    await altered(jetstream, "OBJ_TTS_CACHE", max_age=600)
    consumer = (await jetstream.consumer_info("TURNS", "nlu")).config
    await jetstream.add_consumer("TURNS", replace(consumer, ack_wait=30))
    assert await lines(jetstream) == [
        "stream TURNS: description: somebody's on the server, Turns on their way from words to meaning. declared",
        "stream TURNS: max_bytes: 1048576 on the server, 268435456 declared",
        "consumer TURNS/nlu: ack_wait: 30.0 on the server, 1.2 declared",
        "bucket SKILLS: allow_direct: nothing on the server, True declared",
        "object store TTS_CACHE: max_age: 600.0 on the server, 604800 declared",
    ]
    assert await changed(jetstream) == {
        "stream TURNS": Change.UPDATED,
        "consumer TURNS/nlu": Change.UPDATED,
        "bucket SKILLS": Change.UPDATED,
        "object store TTS_CACHE": Change.UPDATED,
    }
    assert await lines(jetstream) == []


async def test_what_is_missing_is_told_and_made(jetstream: JetStreamContext) -> None:
    """A consumer goes with its stream and comes back after it."""
    await jetstream.delete_stream("UTTERANCES")
    await jetstream.delete_key_value("SESSIONS")
    assert await lines(jetstream) == [
        "stream UTTERANCES: missing",
        "consumer UTTERANCES/asr: missing",
        "consumer UTTERANCES/dialogue_started: missing",
        "bucket SESSIONS: missing",
    ]
    assert set((await changed(jetstream)).values()) == {Change.CREATED}
    assert await lines(jetstream) == []


async def test_a_limit_that_deletes_is_refused_with_everything_else(jetstream: JetStreamContext) -> None:
    """Somebody let a stream keep for longer: what is older goes only with the flag. Other changes wait for that."""
    await altered(jetstream, "SPEECH", max_age=0)
    await altered(jetstream, "DIRECTIVES", max_msgs_per_subject=500, description="other")
    for _ in range(3):
        await jetstream.publish("device.h.d.down.directive", b"x")
    with pytest.raises(DestructiveChangeError, match="DIRECTIVES: all but the last 100 messages of each subject"):
        await apply(jetstream)
    assert "stream SPEECH: max_age: nothing on the server, 90 declared" in await lines(jetstream)
    assert await changed(jetstream, allow_destructive=True) == {
        "stream SPEECH": Change.UPDATED,
        "stream DIRECTIVES": Change.UPDATED,
    }
    assert (await jetstream.stream_info("DIRECTIVES")).state.messages == 3


async def test_messages_older_than_the_declared_age(
    jetstream: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shortening the age is harmless while everything is younger, and destructive from then on."""
    await altered(jetstream, "OUTCOMES", max_age=86_400)
    await jetstream.publish("turn.outcome.h.d.t", b"x")
    assert not any("destructive" in line for line in await lines(jetstream))
    short = tuple(replace(each, max_age=0.2) if each.name == "OUTCOMES" else each for each in declared.STREAMS)
    monkeypatch.setattr(declared, "STREAMS", short)
    await asyncio.sleep(0.3)
    assert any("OUTCOMES: destructive: messages older than 0.2 s" in line for line in await lines(jetstream))


async def test_another_storage_needs_the_stream_anew(jetstream: JetStreamContext) -> None:
    """The server refuses to change it; with the flag the stream is deleted and made, consumers too."""
    config = (await jetstream.stream_info("TURNS")).config
    await jetstream.delete_stream("TURNS")
    await jetstream.add_stream(replace(config, storage=StorageType.MEMORY))
    await jetstream.publish("turn.transcribed", b"x")
    with pytest.raises(DestructiveChangeError, match=r"TURNS: storage can't be changed: .* its 1 messages"):
        await apply(jetstream)
    done = await changed(jetstream, allow_destructive=True)
    assert done["stream TURNS"] is Change.REPLACED
    assert {name for name in done if name.startswith("consumer TURNS/")} == {
        "consumer TURNS/nlu",
        "consumer TURNS/dialogue",
    }
    assert await lines(jetstream) == []


async def test_subjects_that_would_not_be_stored_any_more(jetstream: JetStreamContext) -> None:
    """Taking a subject from a stream is destructive, adding one is not."""
    await altered(jetstream, "TURNS", subjects=["turn.transcribed", "turn.interpreted", "turn.extra"])
    with pytest.raises(DestructiveChangeError, match=r"nothing stores turn\.extra any more"):
        await apply(jetstream)
    await apply(jetstream, allow_destructive=True)
    await altered(jetstream, "TURNS", subjects=["turn.transcribed", "turn.interpreted"])
    assert await lines(jetstream) == []


async def test_a_consumer_that_would_lose_its_place(jetstream: JetStreamContext) -> None:
    """Another filter passes over messages; another way to acknowledge needs it anew. Both only with the flag."""
    config = (await jetstream.consumer_info("OUTCOMES", "tts")).config
    await jetstream.add_consumer("OUTCOMES", replace(config, filter_subject="turn.outcome.h.*.*"))
    with pytest.raises(DestructiveChangeError, match="OUTCOMES/tts: it passes over messages"):
        await apply(jetstream)
    assert await changed(jetstream, allow_destructive=True) == {"consumer OUTCOMES/tts": Change.UPDATED}

    await jetstream.delete_consumer("OUTCOMES", "tts")
    await jetstream.add_consumer("OUTCOMES", replace(config, ack_policy="all"))
    with pytest.raises(DestructiveChangeError, match=r"OUTCOMES/tts: ack_policy can't be changed"):
        await apply(jetstream)
    assert await changed(jetstream, allow_destructive=True) == {"consumer OUTCOMES/tts": Change.REPLACED}
    assert await lines(jetstream) == []


async def test_what_nothing_declares_is_told_and_kept(jetstream: JetStreamContext) -> None:
    """Only pruning deletes it, and only with the flag; consumers without a name are somebody's at the moment."""
    await jetstream.add_stream(StreamConfig(name="OTHER", subjects=["other"]))
    await jetstream.create_key_value(KeyValueConfig(bucket="MINE"))
    await jetstream.add_consumer("OUTCOMES", ConsumerConfig(durable_name="old", ack_policy="explicit"))
    await jetstream.publish("other", b"x")
    assert await lines(jetstream) == [
        "consumer OUTCOMES/old: not declared",
        "consumer OUTCOMES/old: destructive: its place on the stream is forgotten",
        "bucket MINE: not declared",
        "bucket MINE: destructive: its 0 messages are deleted",
        "stream OTHER: not declared",
        "stream OTHER: destructive: its 1 messages are deleted",
    ]
    assert await changed(jetstream) == {}
    with pytest.raises(DestructiveChangeError):
        await apply(jetstream, prune=True)
    assert set((await changed(jetstream, prune=True, allow_destructive=True)).values()) == {Change.DELETED}
    assert await lines(jetstream) == []


async def test_the_monitoring_port_tells_the_same(tmp_path: Path) -> None:
    """Of the account that is asked for, as a nats-server lists it by its public key: what is there, differs, is too much or too old."""
    async with Stack(home=tmp_path, services=(), tracestore=False) as stack:
        client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        jetstream = client.jetstream()
        account = load_keys(stack.home).services
        monitoring = keda.monitoring(stack.home.nats / "nats-server.conf")

        async def told() -> list[str]:
            async with browser(timeout=30) as asking:
                answer = await asking.get(f"{monitoring}/jsz?accounts=true&streams=true&consumers=true&config=true")
            accounts = [each for each in answer.json()["account_details"] if each["id"] == account]
            assert len(accounts) == 1
            return [line for drift in differences(reported(accounts), 1) for line in drift.lines()]

        assert await told() == []
        await jetstream.delete_consumer("TURNS", "nlu")
        await jetstream.add_stream(StreamConfig(name="OTHER", subjects=["other"]))
        await altered(jetstream, "DIRECTIVES", max_msgs_per_subject=500)
        await jetstream.publish("device.h.d.down.directive", b"x")
        # The bus keeps longer than is declared, and something is in it: what would be lost depends on how old that is.
        await altered(jetstream, "OUTCOMES", max_age=7200)
        await jetstream.publish("turn.outcome.h.d.t", b"x")
        found = await told()
        assert found == await lines(jetstream)
        assert len(found) == 6, found
        await client.close()
