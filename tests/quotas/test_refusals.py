"""What comes of an utterance beyond a quota: one outcome, the error event, and work for nobody."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from earshot.asr.v1 import events_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_topology.streams import DIALOGUE_STARTED
from support.hearing import TestDevice, device, worker
from support.nats import NatsServer, nats_server
from support.recognition import speech

pytestmark = pytest.mark.asyncio(loop_scope="module")

REJECTED = outcome_pb2.OUTCOME_KIND_REJECTED
# So long that a test does not see its end, usually; two windows are two quotas.
WINDOW = {"quota_window_s": 120.0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Run a server with Earshot's streams, on which nobody but the recogniser wants to hear of starts."""
    async with nats_server(tmp_path_factory.mktemp("bus")) as running:
        client = await running.connect()
        await client.jetstream().delete_consumer(DIALOGUE_STARTED.stream, DIALOGUE_STARTED.durable)
        await client.close()
        yield running


async def outcomes(heard: TestDevice) -> list[outcome_pb2.Outcome]:
    """Return a list of a device's outcomes that goes on."""
    found: list[outcome_pb2.Outcome] = []

    async def note(message: Msg) -> None:
        found.append(outcome_pb2.Outcome.FromString(message.data))
        heard._news.set()

    await heard.client.subscribe(f"device.{heard.address.household}.*.down.outcome.*", cb=note)
    await heard.client.flush()
    return found


async def test_a_flood_is_refused_once_in_words(server: NatsServer) -> None:
    """Each of a hundred starts beyond the quota has the error event; one goes on to be spoken, the others end silently."""
    async with (
        worker(server, quota_utterances=2, quota_spoken=1, **WINDOW) as running,
        device(server, "flood") as heard,
    ):
        decided = await outcomes(heard)
        for _ in range(2):
            await heard.say(await heard.begin(), speech(0.4))
        await heard.wait(lambda: len(heard.transcribed) == 2)
        turns = [await heard.begin() for _ in range(100)]
        await heard.wait(lambda: len(heard.errors) >= 100 and len(decided) >= 99)
        refused = [turn for turn in turns if turn in heard.transcribed]
        assert len(refused) == 1
        (event,) = heard.transcribed[refused[0]]
        assert (event.rejection, event.error_code) == (events_pb2.REJECTION_BAD_AUDIO, "quota_exceeded")
        assert {(outcome.kind, outcome.error.code, outcome.final) for outcome in decided} == {
            (REJECTED, "quota_exceeded", True)
        }
        assert not any(outcome.prompts or outcome.directives for outcome in decided)
        assert Counter(outcome.turn.turn_id for outcome in decided) == Counter(set(turns) - set(refused))
        assert Counter(error.turn_id for error in heard.errors) == Counter(turns)
        assert {(error.error.code, error.error.retryable) for error in heard.errors} == {("quota_exceeded", True)}
        # Nobody listened to any of it.
        assert len(running.engine.streams) == 2


async def test_a_start_that_is_sent_again_is_one_utterance(server: NatsServer) -> None:
    """While it lasts, and when it is over: counted once, recognised once, transcribed once."""
    async with worker(server, quota_utterances=3, **WINDOW) as running, device(server, "again") as heard:
        turn = await heard.begin()
        for _ in range(10):
            await heard.begin(turn_id=turn)
        await heard.say(turn, speech(0.4))
        await heard.result(turn)
        for _ in range(10):
            await heard.begin(turn_id=turn)
        # One after the other for this household: what comes behind them is heard when they are settled.
        for _ in range(2):
            other = await heard.begin()
            await heard.say(other, speech(0.4))
            assert (await heard.result(other)).alternatives
        assert len(running.engine.streams) == 3
        assert len(heard.transcribed[turn]) == 1
        assert heard.errors == []


async def test_an_utterance_that_is_too_large_is_refused(server: NatsServer) -> None:
    """However many bytes follow, and whatever they hold; the device hears why, and what it says next is heard."""
    async with worker(server, utterance_bytes=100_000) as running, device(server, "large") as heard:
        turn = await heard.begin()
        for sequence in range(40):
            await heard.send(turn, sequence, speech(0.3).tobytes())
        event = await heard.result(turn)
        assert (event.rejection, event.error_code) == (events_pb2.REJECTION_BAD_AUDIO, "utterance_too_large")
        await heard.wait(lambda: heard.errors)
        assert [(error.turn_id, error.error.code) for error in heard.errors] == [(turn, "utterance_too_large")]
        assert running.engine.streams[0].closed
        following = await heard.begin()
        await heard.say(following, np.asarray(speech(1.0)))
        assert (await heard.result(following)).alternatives


async def test_places_are_given_back(server: NatsServer) -> None:
    """A household that may speak twice at once speaks many times in turn; a third voice is refused meanwhile."""
    async with worker(server, quota_concurrent=2), device(server, "voices") as heard:
        decided = await outcomes(heard)
        first, second = await heard.begin(), await heard.begin()
        await heard.send(first, 0, speech(0.04).tobytes())
        await heard.wait(lambda: heard.of(first, "upload_ack"))
        third = await heard.begin()
        await heard.wait(lambda: heard.errors)
        assert [error.turn_id for error in heard.errors] == [third]
        assert (await heard.result(third)).error_code == "quota_exceeded"
        for turn in (first, second):
            await heard.say(turn, speech(0.4))
            assert (await heard.result(turn)).alternatives
        for _ in range(5):
            turn = await heard.begin()
            await heard.say(turn, speech(0.4))
            assert (await heard.result(turn)).alternatives
        assert decided == []


async def test_takeover_neither_counts_nor_refuses(server: NatsServer) -> None:
    """The last utterance of a quota is taken over by another worker, which has never heard of the household."""
    async with (
        worker(server, quota_utterances=1, quota_concurrent=1, **WINDOW) as first,
        device(server, "heir") as heard,
    ):
        turn = await heard.begin()
        await heard.send(turn, 0, speech(0.04).tobytes())
        await heard.wait(lambda: first.engine.streams and first.engine.streams[0].pcm)
        async with worker(server, quota_utterances=1, quota_concurrent=1, **WINDOW):
            await first.freeze()
            await heard.say(turn, speech(0.4))
            event = await heard.result(turn)
        assert event.owner_epoch == 2
        assert event.alternatives
        assert heard.errors == []


async def test_who_was_let_in_is_not_refused_for_saying_so_again(server: NatsServer) -> None:
    """A start that is sent again when the quota is used up leaves its own utterance alone."""
    async with worker(server, quota_utterances=1, quota_spoken=0, **WINDOW), device(server, "full") as heard:
        decided = await outcomes(heard)
        turn = await heard.begin()
        await heard.send(turn, 0, speech(0.04).tobytes())
        await heard.wait(lambda: heard.of(turn, "upload_ack"))
        refused = await heard.begin()
        await heard.wait(lambda: decided)
        for _ in range(3):
            await heard.begin(turn_id=turn)
        await heard.say(turn, speech(0.4))
        assert (await heard.result(turn)).alternatives
        assert [outcome.turn.turn_id for outcome in decided] == [refused]
        assert {error.turn_id for error in heard.errors} == {refused}


async def test_a_turn_that_is_decided_stays_so(server: NatsServer) -> None:
    """A refusal in silence that comes after an outcome changes nothing, and its start is done with."""
    async with worker(server, quota_utterances=1, quota_spoken=0, **WINDOW), device(server, "late") as heard:
        decided = await outcomes(heard)
        await heard.say(await heard.begin(), speech(0.4))
        await heard.wait(lambda: heard.transcribed)
        turn = str(uuid.uuid4())
        outcome = outcome_pb2.Outcome(outcome_id="o", kind=outcome_pb2.OUTCOME_KIND_APOLOGISED, final=True)
        await heard.client.jetstream().publish(heard.address.turn_outcome(turn), outcome.SerializeToString())
        await heard.begin(turn_id=turn)
        await heard.wait(lambda: heard.errors)
        async with asyncio.timeout(5):
            while (await heard.client.jetstream().consumer_info("UTTERANCES", "asr")).num_ack_pending:
                await asyncio.sleep(0.02)
        assert [each.outcome_id for each in decided] == ["o"]
        parked = await heard.client.jetstream().stream_info("PARKED", subjects_filter="parked.asr.late")
        assert not parked.state.subjects
