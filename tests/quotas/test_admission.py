"""Quotas that hold across workers: several of them, as processes have them, on one real bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from earshot_asr.admission import Admission, Admitted, Refusal, Repeated
from earshot_asr.counting import SharedCounter
from earshot_asr.quota import QuotaRules
from earshot_asr.utterance import TurnId
from earshot_chassis.bus import Bus, Delivery
from earshot_chassis.settings import ServiceSettings
from earshot_topology.subjects import TURN_OWNED, DeviceAddress
from support.nats import NatsServer, nats_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Verdict = Admitted | Refusal | Repeated


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Run a server with Earshot's streams."""
    async with nats_server(tmp_path_factory.mktemp("bus")) as running:
        yield running


class Workers:
    """Admissions of several workers, at a time that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.all: list[Admission] = []


Hire = Callable[..., Awaitable[Workers]]


@pytest_asyncio.fixture(loop_scope="module")
async def hire(server: NatsServer) -> AsyncIterator[Hire]:
    """Return what runs three workers with quotas."""
    buses: list[Bus] = []

    async def run(**rules: int) -> Workers:
        made = Workers()
        for number in range(3):
            bus = Bus("asr", ServiceSettings(nats_url=server.url))
            await bus.connect()
            buses.append(bus)
            counter = SharedCounter(bus.client, away_s=30.0)
            admission = Admission(bus, counter, QuotaRules(**rules), owner=f"w{number}", clock=lambda: made.now)
            await admission.start()
            await bus.client.flush()
            made.all.append(admission)
        return made

    yield run
    for bus in buses:
        await bus.close()


@pytest.fixture
def home(request: pytest.FixtureRequest) -> DeviceAddress:
    """Return a device of a household of the test's own."""
    return DeviceAddress(request.node.name.split("[")[0][:60], "d")


def delivery(number: int = 1, start: int = 1) -> Delivery:
    """Return the number-th delivery of a start."""
    return Delivery(subject="", headers={}, num_delivered=number, stream_sequence=start, timestamp=datetime.now(UTC))


async def enter(
    workers: Workers, home: DeviceAddress, *turns: str, number: int = 1, only: int | None = None, start: int = 1
) -> list[Verdict]:
    """Let turns in at once, at one worker after the other."""
    entering = [
        workers.all[index % 3 if only is None else only].enter(home, TurnId(turn), delivery(number, start))
        for index, turn in enumerate(turns)
    ]
    return await asyncio.gather(*entering)


def admitted(verdicts: list[Verdict]) -> int:
    """Return how many were let in."""
    return sum(isinstance(verdict, Admitted) for verdict in verdicts)


async def test_a_rate_holds_across_workers(hire: Hire, home: DeviceAddress) -> None:
    """Of sixty at once at three workers ten are let in and two are refused aloud; so it is in the next window."""
    workers = await hire(utterances=10, concurrent=0, spoken=2)
    for window in range(2):
        workers.now += 60.0
        verdicts = await enter(workers, home, *(f"t{window}-{turn}" for turn in range(60)))
        refusals = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
        assert (admitted(verdicts), len(refusals)) == (10, 50)
        assert sum(refusal.spoken for refusal in refusals) == 2
        assert {(refusal.error.code, refusal.error.retryable) for refusal in refusals} == {("quota_exceeded", True)}
    other = DeviceAddress(f"{home.household}-2", "d")
    assert admitted(await enter(workers, other, "a", "b", "c")) == 3


async def test_a_turn_counts_once(hire: Hire, home: DeviceAddress, server: NatsServer) -> None:
    """A start that is sent again is nobody's work; one that is delivered again is let in as it was before."""
    workers = await hire(utterances=5, concurrent=0)
    assert admitted(await enter(workers, home, "t1", only=0)) == 1
    again = [await enter(workers, home, "t1", only=worker, start=2) for worker in (0, 1, 2)]
    assert again == [[Repeated.REPEATED]] * 3
    assert admitted(await enter(workers, home, "t1", number=2, only=1)) == 1
    assert admitted(await enter(workers, home, "t1", number=3, only=2)) == 1
    assert admitted(await enter(workers, home, "t2", "t3", "t4", "t5", "t6", "t7")) == 4
    # Delivered again when the quota is used up, to a worker that has never heard of it.
    bus = Bus("asr", ServiceSettings(nats_url=server.url))
    await bus.connect()
    stranger = Admission(
        bus, SharedCounter(bus.client), QuotaRules(utterances=5), owner="new", clock=lambda: workers.now
    )
    assert isinstance(await stranger.enter(home, TurnId("t1"), delivery(2)), Admitted)
    assert isinstance(await stranger.enter(home, TurnId("t1"), delivery(1, start=2)), Repeated)
    assert isinstance(await stranger.enter(home, TurnId("t8"), delivery(1)), Refusal)
    await bus.close()


async def test_a_start_whose_deliveries_nobody_counts_any_more_is_taken(hire: Hire, home: DeviceAddress) -> None:
    """A server dies with the worker that had it, and the next one delivers it for the first time again: nobody else has it.

    Whether a worker has heard of it or only the counter has; whether the household's quota is used up since. Another start
    of the same turn is still a repetition, for everybody.
    """
    workers = await hire(utterances=3, concurrent=0)
    assert admitted(await enter(workers, home, "t1", only=0)) == 1
    await heard(workers)
    assert admitted(await enter(workers, home, "t2", "t3", "t4", only=1)) == 2
    assert admitted(await enter(workers, home, "t1", only=1)) == 1
    await heard(workers)
    late = await hire(utterances=3, concurrent=0)
    assert admitted(await enter(late, home, "t1", only=0)) == 1
    await heard(late)
    for each in (*((workers, number) for number in range(3)), *((late, number) for number in range(3))):
        assert await enter(each[0], home, "t1", only=each[1], start=2) == [Repeated.REPEATED]
    assert isinstance((await enter(late, home, "t5", only=2))[0], Refusal)


async def test_a_start_of_which_nobody_can_tell_is_taken(hire: Hire, home: DeviceAddress, server: NatsServer) -> None:
    """The counter knows the turn, and the message that would tell for which start it was counted is gone."""
    workers = await hire(utterances=0, concurrent=0)
    assert admitted(await enter(workers, home, "t1", only=0)) == 1
    client = await server.connect()
    await client.jetstream().purge_stream("QUOTAS", subject=f"quota.{home.household}.>")
    await client.close()
    late = await hire(utterances=0, concurrent=0)
    assert admitted(await enter(late, home, "t1", only=0)) == 1


async def test_those_at_once_are_bounded_across_workers(hire: Hire, home: DeviceAddress) -> None:
    """Four at a time, wherever they are; who leaves makes room."""
    workers = await hire(utterances=0, concurrent=4, spoken=0)
    inside: list[Verdict] = []
    for turn in range(6):
        inside += await enter(workers, home, f"t{turn}", only=turn % 3)
        workers.now += 0.001
        await heard(workers)
    assert [isinstance(verdict, Admitted) for verdict in inside] == [True] * 4 + [False] * 2
    assert isinstance(inside[0], Admitted)
    await workers.all[0].leave(inside[0])
    await heard(workers)
    assert admitted(await enter(workers, home, "t7", only=1)) == 1


async def test_bytes_are_counted_across_workers(hire: Hire, home: DeviceAddress) -> None:
    """What one worker received refuses the next utterance at another, until the window is over."""
    workers = await hire(utterances=0, concurrent=0, bytes=1_000)
    [entry] = await enter(workers, home, "t1", only=0)
    assert isinstance(entry, Admitted)
    entry.audio_bytes = 1_000
    await workers.all[0].leave(entry)
    await heard(workers)
    assert admitted(await enter(workers, home, "t2", only=1)) == 0
    workers.now += 60.0
    assert admitted(await enter(workers, home, "t3", only=1)) == 1


async def heard(workers: Workers) -> None:
    """Wait until every worker has heard what was said."""
    # Everything is out after the first round, in after the second, and handled during the third.
    for admission in workers.all * 3:
        await admission._bus.client.flush()


async def test_turns_do_not_wait_for_a_counter_that_is_away(hire: Hire, home: DeviceAddress, tmp_path: Path) -> None:
    """Each worker then counts for itself; it asks once and leaves the counter alone for a while."""
    workers = await hire(utterances=3, concurrent=0)
    asked: list[Msg] = []

    async def swallow(message: Msg) -> None:
        asked.append(message)

    async with nats_server(tmp_path, streams=False) as silent:
        listener = await silent.connect()
        await listener.subscribe("quota.>", cb=swallow)
        await listener.flush()
        bus = Bus("asr", ServiceSettings(nats_url=silent.url))
        await bus.connect()
        alone = Admission(
            bus,
            SharedCounter(bus.client, away_s=30.0),
            QuotaRules(utterances=3),
            owner="alone",
            clock=lambda: workers.now,
        )
        began = time.monotonic()
        first = await alone.enter(home, TurnId("t0"), delivery())
        waited = time.monotonic() - began
        more = [await alone.enter(home, TurnId(f"t{number}"), delivery()) for number in range(1, 5)]
        assert [isinstance(verdict, Admitted) for verdict in (first, *more)] == [True, True, True, False, False]
        assert len(asked) == 1
        assert waited < 2.0
        await bus.close()
        await listener.close()


async def test_a_counter_that_is_gone_refuses_nobody(hire: Hire, home: DeviceAddress, server: NatsServer) -> None:
    """Without its stream, quotas hold at each worker, and come back with it."""
    workers = await hire(utterances=3, concurrent=0)
    client = await server.connect()
    jetstream = client.jetstream()
    config = (await jetstream.stream_info("QUOTAS")).config
    await jetstream.delete_stream("QUOTAS")
    try:
        assert admitted(await enter(workers, home, *(f"t{turn}" for turn in range(30)))) == 9
    finally:
        await jetstream.add_stream(config)
        await client.close()


async def test_news_that_make_no_sense_do_no_harm(hire: Hire, home: DeviceAddress, server: NatsServer) -> None:
    """Nobody but a worker may publish them; and if it were so."""
    workers = await hire(utterances=3, concurrent=0)
    client = await server.connect()
    await client.publish(TURN_OWNED, b"\xff\xff")
    await client.publish(TURN_OWNED, b"")
    await client.close()
    await heard(workers)
    assert admitted(await enter(workers, home, "t1")) == 1
