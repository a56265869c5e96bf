"""Three nodes: any of them may be killed, all may be restarted one by one, and every turn is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import nats
import numpy as np
import pytest
import pytest_asyncio

from earshot_device import Device
from earshot_device.core.outcome import OutcomeKind
from earshot_local import Stack
from earshot_local.errors import InvalidScaleError
from earshot_local.plan import SERVICES
from earshot_topology.apply import DestructiveChangeError, apply, diff
from earshot_topology.subjects import DeviceAddress
from support.stack import device

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # nats-py drops the transport of a server that it leaves without closing it.
    pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

TEXT, INTENT = "what time is it", "clock.get_time"
QUIET = {"noise_floor_dbfs": None, "trailing_silence_s": 0.0, "pre_roll_s": 0.0}
PATIENT = {"answer_timeout_s": 30.0, "segment_timeout_s": 30.0, "speech_timeout_s": 30.0}
NODES = ("nats-server-0", "nats-server-1", "nats-server-2")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run the services of a spoken turn on a cluster."""
    home = tmp_path_factory.mktemp("cluster")
    recordings = home / "recordings.json"
    recordings.write_text(json.dumps({"constant": {"en-US": TEXT}}))
    environment = {
        "EARSHOT_ASR_ENGINE": "recorded",
        "EARSHOT_ASR_VAD": "none",
        "EARSHOT_ASR_RECORDINGS": str(recordings),
        "EARSHOT_TTS_ENGINE": "recorded",
        # An election takes 4 to 9 s; on a busy machine somebody may have to wait for two. How long a user is to wait
        # is `make chaos`' matter.
        "EARSHOT_ASR_DEADLINE_S": "25",
        "EARSHOT_DIALOGUE_ANSWER_WITHIN_S": "25",
    }
    services = [service for service in SERVICES if service.name in {"asr", "nlu", "dialogue", "tts", "clock"}]
    async with Stack(home=home, services=services, nodes=3, env=environment, tracestore=False) as running:
        await running.ready(60)
        yield running


@dataclass(slots=True)
class Talk:
    """What became of the turns of some devices."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)


@asynccontextmanager
async def talking(stack: Stack) -> AsyncIterator[Talk]:
    """Let devices go on talking meanwhile."""
    over, talk = asyncio.Event(), Talk()
    samples = (4_000 * np.sin(np.arange(6_400) / 8)).astype(np.int16)

    async def converse(speaking: Device) -> None:
        while not over.is_set():
            result = await speaking.say(samples)
            intents = {segment.intent for segment in result.segments}
            if result.kind is OutcomeKind.ANSWERED and intents == {INTENT} and result.answer.any():
                talk.right += 1
            else:
                codes = [segment.error.code for segment in result.segments if segment.error is not None]
                talk.wrong.append(f"{result.kind} {result.abandoned} {intents} {codes} {result.answer_text!r}")

    async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
        for number in range(3):
            address = DeviceAddress("cluster", f"speaking{number}")
            speaking = device(stack, address, **QUIET, **PATIENT)
            group.create_task(converse(await opened.enter_async_context(speaking)))
        try:
            yield talk
        finally:
            over.set()


async def until_right(talk: Talk, count: int) -> None:
    """Wait until so many turns were answered rightly, or one was not."""
    async with asyncio.timeout(40):
        while talk.right < count and not talk.wrong:
            await asyncio.sleep(0.05)


async def until_whole(stack: Stack) -> None:
    """Wait until every stream has a leader and two followers that are up to date."""
    client = await nats.connect(stack.nats_url.split(","), user_credentials=str(stack.creds("admin")))
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    infos = await client.jetstream().streams_info()
                except (nats.errors.Error, nats.js.errors.APIError):
                    infos = []
                followers = [info.cluster.replicas or [] for info in infos if info.cluster and info.cluster.leader]
                current = [len(each) == 2 and all(peer.current for peer in each) for each in followers]
                if infos and len(current) == len(infos) and all(current):
                    return
                await asyncio.sleep(0.1)
    finally:
        await client.close()


async def leader_of(stack: Stack, stream: str) -> str:
    """Return the node that leads a stream."""
    client = await nats.connect(stack.nats_url.split(","), user_credentials=str(stack.creds("admin")))
    info = await client.jetstream().stream_info(stream)
    await client.close()
    assert info.cluster is not None
    return str(info.cluster.leader)


async def test_everything_has_three_copies(stack: Stack) -> None:
    """Streams, buckets, the object store and every consumer."""
    client = await nats.connect(stack.nats_url.split(","), user_credentials=str(stack.creds("admin")))
    jetstream = client.jetstream()
    for info in await jetstream.streams_info():
        assert info.config.num_replicas == 3, info.config.name
        for consumer in await jetstream.consumers_info(str(info.config.name)):
            assert consumer.config.durable_name is None or consumer.config.num_replicas == 3, consumer.name
    await client.close()


async def test_the_node_that_leads_is_killed(stack: Stack) -> None:
    """SIGKILL in the middle of turns: none is lost, none is answered wrongly, and turns go on."""
    await until_whole(stack)
    async with talking(stack) as talk:
        await until_right(talk, 6)
        stack.processes[await leader_of(stack, "TURNS")].kill()
        await until_right(talk, talk.right + 6)
    assert talk.wrong == []


async def test_the_node_that_leads_is_frozen(stack: Stack) -> None:
    """SIGSTOP: its connections stay open and it says nothing. Whoever is connected to it goes to another one."""
    await until_whole(stack)
    async with talking(stack) as talk:
        await until_right(talk, 6)
        frozen = stack.processes[await leader_of(stack, "AUDIO")]
        frozen.freeze()
        try:
            await until_right(talk, talk.right + 6)
        finally:
            frozen.thaw()
    assert talk.wrong == []


async def test_all_nodes_are_restarted_one_by_one(stack: Stack) -> None:
    """A rolling restart under turns: none is lost."""
    await until_whole(stack)
    async with talking(stack) as talk:
        await until_right(talk, 6)
        for name in NODES:
            await stack.processes[name].restart()
            await until_whole(stack)
        await until_right(talk, talk.right + 6)
    assert talk.wrong == []


async def test_two_nodes_are_no_cluster(tmp_path) -> None:
    """A number that gives no majority after a loss is refused before anything starts."""
    with pytest.raises(InvalidScaleError):
        await Stack(home=tmp_path, services=(), tracestore=False, nodes=2).__aenter__()


async def test_copies_are_made_of_what_has_one(stack: Stack) -> None:
    """A stream with one copy gets three while it is in use; giving copies up again is refused without a flag."""
    await until_whole(stack)
    client = await nats.connect(stack.nats_url.split(","), user_credentials=str(stack.creds("admin")))
    jetstream = client.jetstream()
    config = (await jetstream.stream_info("TURNS")).config
    await jetstream.update_stream(replace(config, num_replicas=1))
    # The consumers of a stream that gives up copies give theirs up too.
    told = {line for drift in await diff(jetstream, replicas=3) for line in drift.lines()}
    assert "stream TURNS: num_replicas: 1 on the server, 3 declared" in told
    assert all(line.endswith("num_replicas: 1 on the server, 3 declared") for line in told)
    await apply(jetstream, replicas=3)
    await until_whole(stack)
    assert await diff(jetstream, replicas=3) == ()
    with pytest.raises(DestructiveChangeError, match="2 copies are given up"):
        await apply(jetstream, replicas=1)
    await client.close()


async def test_a_cluster_that_was_down_as_a_whole_comes_back(tmp_path) -> None:
    """What is on disk is there again, while leaders are still being elected when the topology is applied."""
    for start in range(2):
        async with Stack(home=tmp_path, services=(), tracestore=False, nodes=3) as stack:
            client = await nats.connect(stack.nats_url.split(","), user_credentials=str(stack.creds("admin")))
            jetstream = client.jetstream()
            assert await diff(jetstream, replicas=3) == ()
            await jetstream.publish("turn.outcome.h.d.t", b"x", timeout=10)
            assert (await jetstream.stream_info("OUTCOMES")).state.messages == start + 1
            await client.close()
