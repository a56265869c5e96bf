"""One household floods a whole stack; two others go on with their day and notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc
import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg

from bench.sessions import SpokenSession, Tally, new_turn_id
from earshot.asr.v1 import recognizer_pb2, recognizer_pb2_grpc
from earshot.common.v1 import audio_pb2
from earshot.device.v1 import downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import assistant_pb2, assistant_pb2_grpc, outcome_pb2
from earshot.tts.v1 import synthesizer_pb2, synthesizer_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_topology.permissions import device_inbox
from earshot_topology.subjects import DeviceAddress
from support.browsing import browser

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

REPLICAS, WINDOW_S, QUOTA, AT_ONCE, CALLS = 2, 6, 20, 4, 4
FLOOD_S, FLOOD_RATE = 3.0, 300
AUDIO = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=16_000, channel_count=1)
TEXT, INTENT = "what time is it", "clock.get_time"
APOLOGISED, REJECTED = outcome_pb2.OUTCOME_KIND_APOLOGISED, outcome_pb2.OUTCOME_KIND_REJECTED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run two recognisers and one of everything else, with quotas that are soon used up."""
    home = tmp_path_factory.mktemp("quotas")
    (home / "recordings.json").write_text(json.dumps({"constant": {"en-US": TEXT}}))
    environment = {
        "EARSHOT_ASR_ENGINE": "recorded",
        "EARSHOT_ASR_VAD": "none",
        "EARSHOT_ASR_RECORDINGS": str(home / "recordings.json"),
        "EARSHOT_ASR_QUOTA_WINDOW_S": str(WINDOW_S),
        "EARSHOT_ASR_QUOTA_UTTERANCES": str(QUOTA),
        "EARSHOT_ASR_QUOTA_CONCURRENT": str(AT_ONCE),
        "EARSHOT_ASR_UTTERANCE_BYTES": "200000",
        "EARSHOT_ASR_CALLS": str(CALLS - 1),
        "EARSHOT_ASR_LOST_S": "1",
        "EARSHOT_TTS_ENGINE": "recorded",
        "EARSHOT_GRPC_CALLS": str(CALLS),
        "EARSHOT_LOG_LEVEL": "critical",
    }
    services = [service for service in SERVICES if service.name in {"asr", "nlu", "dialogue", "tts", "clock"}]
    async with Stack(
        home=home, services=services, scale={"asr": REPLICAS}, env=environment, tracestore=False
    ) as running:
        await running.ready(60)
        yield running


@dataclass(slots=True)
class Flooder:
    """A device that has gone mad, and what it is told."""

    client: Client
    address: DeviceAddress
    stored: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, list[outcome_pb2.Outcome]] = field(default_factory=lambda: defaultdict(list))
    errors: list[downstream_pb2.DeviceError] = field(default_factory=list)
    spoken: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def of(cls, stack: Stack, address: DeviceAddress) -> Flooder:
        """Connect it."""
        client = await nats.connect(
            stack.nats_url,
            user_credentials=str(stack.device_credentials(*address)),
            inbox_prefix=device_inbox(*address),
            pending_size=16 << 20,
        )
        made = cls(client, address)
        down = f"device.{address.household}.{address.device}.down"
        await client.subscribe(f"{device_inbox(*address)}.ack.*", cb=made._acknowledged)
        await client.subscribe(f"{down}.outcome.*", cb=made._outcome)
        await client.subscribe(f"{down}.error", cb=made._error)
        await client.subscribe(f"{down}.speech.*", cb=made._speech)
        await client.flush()
        return made

    async def start(self, turn: str) -> None:
        """Announce an utterance and wait for nothing."""
        started = upstream_pb2.UtteranceStarted(
            turn_id=turn, boot_id="mad", format=AUDIO, playback_format=AUDIO, contract_version=1
        )
        subject, reply = self.address.started("en-US", "stable"), f"{device_inbox(*self.address)}.ack.{turn}"
        await self.client.publish(subject, started.SerializeToString(), reply=reply)

    async def frames(self, turn: str, size: int, number: int) -> None:
        """Send frames of a size."""
        for sequence in range(number):
            frame = upstream_pb2.AudioFrame(turn_id=turn, sequence=sequence, payload=bytes(size))
            await self.client.publish(self.address.audio(turn), frame.SerializeToString())

    async def _acknowledged(self, message: Msg) -> None:
        told = json.loads(message.data)
        self.stored[message.subject.rsplit(".", 1)[-1]] = told.get("error", {}).get("description", "")

    async def _outcome(self, message: Msg) -> None:
        outcome = outcome_pb2.Outcome.FromString(message.data)
        self.outcomes[outcome.turn.turn_id].append(outcome)

    async def _error(self, message: Msg) -> None:
        self.errors.append(downstream_pb2.DeviceError.FromString(message.data))

    async def _speech(self, message: Msg) -> None:
        self.spoken[message.subject.rsplit(".", 1)[-1]] += 1


async def window_begins() -> None:
    """Wait for the beginning of a window."""
    while time.time() % WINDOW_S > 0.2:
        await asyncio.sleep(0.05)


async def flooded(mad: Flooder) -> tuple[str, set[str]]:
    """Let it flood, until everything that was taken has its outcome; return the giant utterance, and what was taken."""
    giant, turns = new_turn_id(), [new_turn_id() for _ in range(int(FLOOD_S * FLOOD_RATE))]
    await mad.start(giant)
    await mad.frames(giant, 40_000, 50)
    began = time.monotonic()
    for number, turn in enumerate(turns):
        await mad.start(turn)
        if number % 10 == 0:
            await mad.frames(turn, 60_000, 4)
        await asyncio.sleep(max(0.0, began + number / FLOOD_RATE - time.monotonic()))
    async with asyncio.timeout(30):
        while len(mad.stored) < len(turns) + 1:
            await asyncio.sleep(0.05)
        taken = {turn for turn, refused in mad.stored.items() if not refused}
        while not taken <= mad.outcomes.keys():
            await asyncio.sleep(0.05)
    return giant, taken


async def conversing(session: SpokenSession, tally: Tally, enough: asyncio.Event) -> None:
    """Be an ordinary household that talks a lot, within its quota."""
    while not enough.is_set():
        await session.turn(tally)
        await asyncio.sleep(0.4)


async def opened(stack: Stack, address: DeviceAddress) -> SpokenSession:
    """Connect a device that speaks."""
    return await SpokenSession.open(stack.nats_url, stack.device_credentials(*address), address, INTENT)


async def test_other_households_notice_nothing(stack: Stack) -> None:
    """Hundreds of starts a second, giant utterances, oversized frames: each ends once, others are served as before."""
    mad = await Flooder.of(stack, DeviceAddress("mad", "d"))
    sessions = [await opened(stack, DeviceAddress(f"sane-{number}", "d")) for number in range(2)]
    before, during, after, enough = Tally(), Tally(), Tally(), asyncio.Event()
    for _ in range(4):
        for session in sessions:
            await session.turn(before)
    await window_begins()
    async with asyncio.TaskGroup() as talking:
        for session in sessions:
            talking.create_task(conversing(session, during, enough))
        giant, taken = await flooded(mad)
        enough.set()
    assert (before.lost, during.lost) == (0, 0)
    assert len(during.took_s) >= 4
    # What a machine that is busy with other things may add.
    assert statistics.median(during.took_s) < 5 * statistics.median(before.took_s) + 1.0
    assert max(during.took_s) < 5.0
    check(mad, giant, taken, aloud=1 if await counted(stack) else REPLICAS)
    await window_begins()
    sessions.append(await opened(stack, mad.address))
    await sessions[-1].turn(after)
    assert (after.lost, len(after.took_s)) == (0, 1)
    for each in sessions:
        await each.close()
    await mad.client.close()


async def counted(stack: Stack) -> bool:
    """Tell whether the counter of quotas was there all the time; on a machine that stands still it may not have been."""
    async with browser() as client:
        pages = [await client.get(f"{stack.http('asr', replica)}/metrics") for replica in range(REPLICAS)]
    assert all("earshot_asr_refusals_total{" in page.text for page in pages)
    return not any("earshot_asr_quota_counter_away_total" in page.text for page in pages)


def check(mad: Flooder, giant: str, taken: set[str], *, aloud: int) -> None:
    """Check what became of a flood, of which so many refusals may be heard in a window."""
    # What the stream would not take is the device's own matter; what it took ended once each.
    assert set(mad.stored.values()) <= {"", "maximum messages per subject exceeded"}
    assert {turn: len(each) for turn, each in mad.outcomes.items()} == dict.fromkeys(taken, 1)
    refused = {turn: each[0] for turn, each in mad.outcomes.items() if each[0].error.code == "quota_exceeded"}
    assert len(refused) > len(taken) / 2
    told = Counter(error.turn_id for error in mad.errors if error.error.code == "quota_exceeded")
    assert told == Counter(refused.keys())
    # Once in a window, in the words of the locale; the rest is silence.
    windows = {outcome.decide_time.seconds // WINDOW_S for outcome in refused.values()}
    heard = [outcome for outcome in refused.values() if outcome.kind == APOLOGISED]
    assert 1 <= len(heard) <= len(windows) * aloud
    assert {outcome.prompts[0].key for outcome in heard} == {"assistant.apology.quota_exceeded"}
    assert {outcome.kind for outcome in refused.values()} == {APOLOGISED, REJECTED}
    assert mad.spoken.keys() <= {turn for turn, each in mad.outcomes.items() if each[0].kind != REJECTED}
    assert mad.outcomes[giant][0].error.code == "utterance_too_large"


async def refused_code(call: Any) -> tuple[grpc.StatusCode, str]:
    """Return how a call is refused; OK where it is not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code(), from_rpc_error(error).code
    return grpc.StatusCode.OK, ""


OVERLOADED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded")
SERVED = (grpc.StatusCode.OK, "")


async def test_an_assistant_has_so_many_places(stack: Stack) -> None:
    """Of forty typed turns at once some are answered and the others refused, retryably; the next is answered."""
    numbers = count()

    def request() -> assistant_pb2.ConverseRequest:
        return assistant_pb2.ConverseRequest(
            household_id="typed", device_id=f"d{next(numbers)}", text=TEXT, locale="en-US"
        )

    async with connect(stack.grpc_target("dialogue")) as channel:
        stub = assistant_pb2_grpc.AssistantStub(channel)
        found = await asyncio.gather(*(refused_code(stub.Converse(request(), timeout=15)) for _ in range(40)))
        assert set(found) == {SERVED, OVERLOADED}
        assert await refused_code(stub.Converse(request(), timeout=15)) == SERVED


async def test_a_recognizer_has_so_many_places(stack: Stack) -> None:
    """As many calls as there are places are served; one more is refused until one ends."""
    # Of two replicas one, so that places can be counted.
    target = stack.grpc_target("asr").split(",")[0]

    async with connect(target) as channel, asyncio.timeout(40):
        stub = recognizer_pb2_grpc.RecognizerStub(channel)
        held: list[tuple[Any, asyncio.Task[Any]]] = []
        while True:
            call = stub.Recognize(timeout=40)
            config = recognizer_pb2.RecognitionConfig(locale="en-US", format=AUDIO, disable_endpointing=True)
            # A call that is refused at once takes no more: reading it tells why.
            with contextlib.suppress(asyncio.InvalidStateError):
                await call.write(recognizer_pb2.RecognizeRequest(config=config))
            reading = asyncio.ensure_future(call.read())
            await asyncio.wait({reading}, timeout=0.5)
            if reading.done():
                break
            held.append((call, reading))
        assert await refused_code(reading) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "recognizer_busy")
        assert len(held) >= CALLS - 1
        for call, _ in held:
            with contextlib.suppress(asyncio.InvalidStateError):
                await call.write(recognizer_pb2.RecognizeRequest(audio=bytes(3200)))
                await call.done_writing()
        found = [await refused_code(reading) for _, reading in held]
        assert SERVED in found


async def test_a_synthesizer_has_so_many_places(stack: Stack) -> None:
    """Whoever does not read what it asked for holds a place, and no more than that."""
    request = synthesizer_pb2.SynthesizeRequest(text="word " * 900, locale="en-US", format=AUDIO)
    async with connect(stack.grpc_target("tts")) as channel:
        stub = synthesizer_pb2_grpc.SynthesizerStub(channel)
        calls = [stub.Synthesize(request, timeout=15) for _ in range(CALLS)]
        for call in calls:
            assert await call.read()
        assert await refused_code(stub.Synthesize(request, timeout=15).read()) == OVERLOADED
        for call in calls:
            call.cancel()
        async with asyncio.timeout(10):
            while (found := await refused_code(stub.Synthesize(request, timeout=15).read())) != SERVED:
                assert found == OVERLOADED
                await asyncio.sleep(0.05)
