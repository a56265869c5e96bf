"""Three nodes: any of them may be killed, all may be restarted one by one, and every turn is answered."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import nats
import pytest
import pytest_asyncio

from chaos.checker import Verdict, verdict_of
from chaos.history import History
from chaos.lines import ECHO, lines, words
from chaos.phases import Board, Phase
from chaos.speaking import Speaker
from chaos.system import SERVICES, device_settings
from chaos.system import stack as spoken_stack
from earshot_local import Stack
from earshot_local.credentials import Credentials
from earshot_local.errors import InvalidScaleError
from earshot_local.nats_server import trust_section
from earshot_topology.apply import DestructiveChangeError, apply, diff
from outages.homes import Home, Outages, home

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # nats-py drops the transport of a server that it leaves without closing it.
    pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

PATIENT = {"answer_timeout_s": 30.0, "segment_timeout_s": 30.0, "speech_timeout_s": 30.0}
NODES = ("nats-server-0", "nats-server-1", "nats-server-2")
SPOKEN = [service for service in SERVICES if service.name in {"asr", "nlu", "dialogue", "tts", "echo"}]
# An election takes 4 to 9 s; on a busy machine somebody may have to wait for two. How long a user is to wait is
# `make chaos`' matter.
DEADLINES = {"EARSHOT_ASR_DEADLINE_S": "25", "EARSHOT_DIALOGUE_ANSWER_WITHIN_S": "25"}
WORDS = words()
EARSHOT = Path(sys.executable).parent / "earshot"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run the services of a spoken turn on a cluster; a frame that is missing or doubled is a wrong answer."""
    home = tmp_path_factory.mktemp("cluster")
    async with spoken_stack(home, services=SPOKEN, environment=DEADLINES, replicas=1, nodes=3) as running:
        await running.ready(60)
        yield running


@dataclass(slots=True)
class Talk:
    """What became of the turns of some devices."""

    speakers: list[Speaker] = field(default_factory=list)

    @property
    def right(self) -> int:
        """How many were answered rightly."""
        return self._verdicts().count(Verdict.ANSWERED)

    @property
    def wrong(self) -> list[str]:
        """What the others came to."""
        turns = [turn for speaker in self.speakers for turn in speaker.turns]
        judged = zip(turns, self._verdicts(), strict=True)
        return [f"{verdict}: {turn.note}" for turn, verdict in judged if verdict is not Verdict.ANSWERED]

    def _verdicts(self) -> list[Verdict]:
        return [verdict_of(turn, WORDS) for speaker in self.speakers for turn in speaker.turns]


@asynccontextmanager
async def talking(stack: Stack) -> AsyncIterator[Talk]:
    """Let devices go on talking meanwhile."""
    over = asyncio.Event()
    said = [
        lines(f"cluster/{number}", "en-US", subjects=(ECHO,), utterance_s=(0.4, 0.8), pause_s=(0.0, 0.1))
        for number in range(3)
    ]
    speakers = [
        Speaker(device_settings(stack, 90 + number, "en-US", playback_speed=8.0, **PATIENT), Board(), each)
        for number, each in enumerate(said)
    ]
    async with asyncio.TaskGroup() as group:
        for speaker in speakers:
            group.create_task(speaker.converse(over, 0.2))
        try:
            yield Talk(speakers)
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


def server_of(stack: Stack, here: Home) -> str:
    """Return the node that a device is connected to."""
    client = here.device._link._client
    assert client is not None
    assert client.connected_url is not None
    ports = [url.rsplit(":", 1)[1] for url in stack.nats_url.split(",")]
    return NODES[ports.index(str(client.connected_url.port))]


@pytest.mark.timeout(120)
async def test_the_node_that_leads_is_killed(stack: Stack) -> None:
    """SIGKILL in the middle of an utterance and of an answer whose devices are connected there, and before another one.

    Both go on at another server, under the same turn id; the start of the third is repeated until the stream has a leader
    again. All are answered rightly, and so is what is said afterwards.
    """
    await until_whole(stack)
    leader = await leader_of(stack, "UTTERANCES")
    history = await History.of(stack.nats_url, str(stack.creds("admin")))
    cluster = Outages(stack, history)
    async with AsyncExitStack() as opened:
        there, elsewhere = [], []
        while len(there) < 2 or not elsewhere:
            here = await opened.enter_async_context(
                home(cluster, url=stack.nats_url, listen_on_s=0.0, **(PATIENT | {"playback_speed": 1.0}))
            )
            (there if server_of(stack, here) == leader else elsewhere).append(here)
        hearing, speaking, late = there[0], there[1], elsewhere[0]
        heard = hearing.begin()
        await hearing.enters(Phase.SOUNDING)
        said = speaking.begin(seconds=2.0)
        await speaking.enters(Phase.SPEAKING)
        await asyncio.sleep(0.8)
        stack.processes[leader].kill()
        await asyncio.gather(heard, said, late.say())
        assert leader not in {server_of(stack, here) for here in (hearing, speaking)}
        await late.say(seconds=0.4)
    for here in (hearing, speaking, late):
        assert set(here.judged()) == {Verdict.ANSWERED}, here.told()
    announced = [turn_id for _, _, turn_id in history.starts]
    assert announced.count(late.turns()[0].turn_id) > 1
    await history.close()


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
    """A rolling restart under turns, by which servers take another operator of the bus: none is lost, and no user is another one."""
    await until_whole(stack)
    credentials = Credentials(stack.home)
    credentials.rotate_operator()
    stack.home.trust.write_text(trust_section(credentials.trust))
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
    told = {line for drift in await diff(jetstream) for line in drift.lines()}
    assert "stream TURNS: num_replicas: 1 on the server, 3 declared" in told
    assert all(line.endswith("num_replicas: 1 on the server, 3 declared") for line in told)
    await apply(jetstream)
    await until_whole(stack)
    assert await diff(jetstream) == ()
    with pytest.raises(DestructiveChangeError, match="2 copies are given up"):
        await apply(jetstream, replicas=1)
    await client.close()


async def test_a_cluster_is_compared_as_one(stack: Stack) -> None:
    """Whoever names a bus need not say that it is a cluster: diff and apply go by what its servers say of themselves."""
    await until_whole(stack)
    named = ("--url", stack.nats_url, "--credentials", str(stack.creds("admin")))
    for command, expected in (("diff", "the bus holds what is declared\n"), ("apply", "nothing to do\n")):
        done = await asyncio.to_thread(
            subprocess.run,
            [str(EARSHOT), "bus", command, *named],
            env={**os.environ, "EARSHOT_HOME": str(stack.home.root / "elsewhere")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.stdout, done.returncode) == (expected, 0), done.stderr


async def test_a_device_is_revoked_at_every_node(stack: Stack) -> None:
    """Whichever it is connected to; none of them has to be started anew, and a device beside it stays."""
    await until_whole(stack)
    revoked, other = (stack.device_credentials("cluster", name) for name in ("revoked", "other"))
    ended, clients = asyncio.Event(), []
    for credentials in (revoked, other):
        for url in stack.nats_url.split(","):
            client = nats.NATS()

            async def closed(mine: bool = credentials is revoked) -> None:  # noqa: FBT001 - bound for the callback
                over.append(mine)
                if len(over) == len(NODES):
                    ended.set()

            await client.connect(
                url, user_credentials=str(credentials), allow_reconnect=False, closed_cb=closed, error_cb=ignored
            )
            clients.append(client)
    over: list[bool] = []
    done = await asyncio.to_thread(
        subprocess.run,
        [str(EARSHOT), "credentials", "revoke", "device", "cluster", "revoked", "--json"],
        env={**os.environ, "EARSHOT_HOME": str(stack.home.root)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["servers"] == list(NODES), done.stderr
    async with asyncio.timeout(30):
        await ended.wait()
    for client in clients[len(NODES) :]:
        await client.flush(10)
    assert over == [True] * len(NODES)
    for client in clients:
        await client.close()


async def ignored(_error: Exception) -> None:
    """Say nothing."""


async def test_a_cluster_that_was_down_as_a_whole_comes_back(tmp_path) -> None:
    """What is on disk is there again, while leaders are still being elected when the topology is applied."""
    for start in range(2):
        async with Stack(home=tmp_path, services=(), tracestore=False, nodes=3) as stack:
            client = await nats.connect(stack.nats_url.split(","), user_credentials=str(stack.creds("admin")))
            jetstream = client.jetstream()
            assert await diff(jetstream) == ()
            await jetstream.publish("turn.outcome.h.d.t", b"x", timeout=10)
            assert (await jetstream.stream_info("OUTCOMES")).state.messages == start + 1
            await client.close()
