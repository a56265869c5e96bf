"""Nothing is anonymous, and a device is alone with itself: against a real nats-server in operator mode."""

import asyncio
import contextlib

import nats
import pytest
import pytest_asyncio
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from earshot_device.turns.routing import Router
from earshot_local import Stack
from earshot_topology.permissions import device_inbox
from earshot_topology.subjects import DeviceAddress

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURN = "01890a5d-ac96-774b-bcce-b302099a8057"
A, B, SAME_SERIAL = DeviceAddress("h1", "a"), DeviceAddress("h1", "b"), DeviceAddress("h2", "a")


class User:
    """A connection that remembers what the server refused and what it heard."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.heard: list[str] = []
        self.payloads: list[bytes] = []
        self.client: nats.aio.client.Client

    async def connect(self, url, credentials, inbox):
        """Connect with a credentials file."""

        async def on_error(error):
            self.refused.append(str(error))

        self.client = await nats.connect(url, user_credentials=str(credentials), inbox_prefix=inbox, error_cb=on_error)
        return self

    async def listen(self, *subjects):
        """Subscribe, and wait until the server has said what it thinks of it."""

        async def hear(message):
            self.heard.append(message.subject)
            self.payloads.append(message.data)

        for subject in subjects:
            await self.client.subscribe(subject, cb=hear)
        await self.settle()

    async def settle(self):
        """Wait until everything sent has been dealt with, errors included."""
        await self.client.flush()
        await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory):
    """A stack of a bus alone."""
    async with Stack(home=tmp_path_factory.mktemp("stack"), services=(), tracestore=False) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def connect(stack):
    """Connect a device, or a role."""
    async with contextlib.AsyncExitStack() as opened:

        async def open_user(who):
            if isinstance(who, DeviceAddress):
                user = await User().connect(stack.nats_url, stack.device_credentials(*who), device_inbox(*who))
            else:
                user = await User().connect(stack.nats_url, stack.creds(who), f"_INBOX_{who}")
            opened.push_async_callback(user.client.close)
            return user

        yield open_user


async def _refused(url, **options):
    async def quiet(_error):
        pass

    client = nats.NATS()
    with pytest.raises(NatsError, match="Authorization"):
        await client.connect(url, allow_reconnect=False, max_reconnect_attempts=0, error_cb=quiet, **options)
    await client.close()


async def test_nobody_connects_without_a_credential(stack):
    """No name, an invented name and password, and an invented token are all refused."""
    await _refused(stack.nats_url)
    await _refused(stack.nats_url, user="admin", password="x")  # noqa: S106 - invented
    await _refused(stack.nats_url, token="x")  # noqa: S106 - invented


async def test_a_credential_of_other_keys_is_refused(stack, tmp_path):
    """A user signed by somebody else's account is nobody here."""
    async with Stack(home=tmp_path / "other", services=(), tracestore=False) as other:
        foreign = other.device_credentials("h1", "a")
        await _refused(stack.nats_url, user_credentials=str(foreign))


async def test_a_device_speaks_as_itself_alone(connect):
    """A's frames and events arrive; what A publishes as B, as its namesake elsewhere or as a service does not."""
    admin, a = await connect("admin"), await connect(A)
    await admin.listen("device.>", "turn.>", "$KV.>", "parked.>")
    allowed = [A.audio(TURN), A.event(), A.started("en-US", "stable"), A.ring(), A.directives(), A.announce()]
    forbidden = [
        B.audio(TURN),
        B.event(),
        B.started("en-US", "stable"),
        SAME_SERIAL.event(),
        B.ring(),
        B.directives(),
        SAME_SERIAL.directives(),
        SAME_SERIAL.announce(),
        A.directive(),
        B.directive(),
        A.speech(TURN),
        A.outcome(TURN),
        B.recognition(),
        A.turn_outcome(TURN),
        "turn.transcribed",
        A.deadline_arm(TURN),
        "$KV.SKILLS.clock.1",
        "parked.asr.h1",
    ]
    for subject in [*allowed, *forbidden]:
        await a.client.publish(subject, b"x")
    await a.settle()
    await admin.settle()
    assert sorted(admin.heard) == sorted(allowed)
    assert len(a.refused) == len(forbidden)


async def test_a_device_hears_itself_alone(connect):
    """What the cloud sends to B and what B sends reach B and never A; inboxes are out of the services' reach."""
    admin, a, b = await connect("admin"), await connect(A), await connect(B)
    inbox = f"{device_inbox(*B)}.answer"
    namesake_inbox = f"{device_inbox(*SAME_SERIAL)}.answer"
    tries = [B.audio(TURN), B.recognition(), B.outcome(TURN), B.speech(TURN), inbox, namesake_inbox]
    wide = ["device.h1.*.down.recognition", "device.>", "_INBOX.>", "_INBOX.device.*.a.>", "turn.>", "$JS.>", ">"]
    await a.listen(*tries, *wide)
    assert len(a.refused) == len(tries) + len(wide)
    await a.listen("device.h1.a.down.>", f"{device_inbox(*A)}.>")
    await b.listen("device.h1.b.down.>", f"{device_inbox(*B)}.>")
    to_b = [B.recognition(), B.outcome(TURN), B.speech(TURN)]
    for subject in [*to_b, inbox, namesake_inbox]:
        await admin.client.publish(subject, b"x")
    await b.client.publish(B.audio(TURN), b"x")
    for user in (admin, b, a):
        await user.settle()
    assert b.heard == to_b
    assert a.heard == []


async def test_a_device_reads_nothing_from_storage(connect, stack):
    """Captured audio, outcomes and sessions can't be fetched through JetStream's API, one's own included."""
    admin, a = await connect("admin"), await connect(A)
    await admin.client.jetstream().purge_stream("AUDIO")
    await a.client.publish(A.audio(TURN), b"x")
    await a.settle()
    async with asyncio.timeout(20):
        while (await admin.client.jetstream().stream_info("AUDIO")).state.messages != 1:
            await asyncio.sleep(0.02)
    for subject in (
        "$JS.API.DIRECT.GET.AUDIO",
        "$JS.API.STREAM.INFO.AUDIO",
        "$JS.API.CONSUMER.CREATE.AUDIO",
        "$JS.API.INFO",
    ):
        await a.client.publish(subject, b'{"seq": 1}', reply=f"{device_inbox(*A)}.x")
    await a.settle()
    assert len(a.refused) == 4
    assert stack.creds("asr").exists()


REPLIES = [
    "$JS.API.STREAM.DELETE.AUDIO",
    "$JS.API.STREAM.PURGE.OUTCOMES",
    "$JS.API.CONSUMER.DELETE.UTTERANCES.asr",
    "$KV.SKILLS.clock.1",
    "$KV.SESSIONS.h2.a",
    "turn.transcribed",
    "turn.interpreted",
    "parked.asr.h1",
    SAME_SERIAL.turn_outcome(TURN),
    SAME_SERIAL.outcome(TURN),
    SAME_SERIAL.directive(),
    SAME_SERIAL.event(),
    SAME_SERIAL.audio(TURN),
    SAME_SERIAL.started("en-US", "stable"),
    B.event(),
]


async def test_a_device_can_not_borrow_the_voice_that_answers_it(connect):
    """Acknowledgements and answers go to the asker's own account, whatever subject it asks to be answered on."""
    admin, a, other = await connect("admin"), await connect(A), await connect(SAME_SERIAL)
    asr = await connect("asr")

    async def answer(message):
        await message.respond(b"")

    await asr.client.subscribe("device.*.*.up.resume", cb=answer)
    await asr.settle()
    streams = {info.config.name: info.state.messages for info in await admin.client.jetstream().streams_info()}
    await other.listen("device.h2.a.down.>", f"{device_inbox(*SAME_SERIAL)}.>")
    mine = [A.event(), A.started("en-US", "stable"), A.audio(TURN), f"device.{A.household}.{A.device}.up.resume"]
    heard_before = len(admin.heard)
    await admin.listen("turn.>", "parked.>", "$KV.>", "device.h2.>", "device.h1.b.>")
    for reply in REPLIES:
        for subject in mine:
            await a.client.publish(subject, b"x", reply=reply)
    for user in (a, asr, admin, other):
        await user.settle()
    await asyncio.sleep(0.2)
    assert admin.heard[heard_before:] == []
    # Devices share an account, so an answer can be pointed at another device; it is nothing that a device would take.
    router = Router(directed=lambda directive: pytest.fail(f"obeyed {directive}"))
    for subject, payload in zip(other.heard, other.payloads, strict=True):
        router.receive(subject, payload)
    assert router.dropped.total() == len(other.heard)
    after = {info.config.name: info.state.messages for info in await admin.client.jetstream().streams_info()}
    assert after.keys() == streams.keys()
    grown = {name for name, count in after.items() if count != streams[name]}
    assert grown == {"AUDIO", "UTTERANCES", "DEVICE_EVENTS"}
    assert (await admin.client.jetstream().consumer_info("UTTERANCES", "asr")).name == "asr"


async def test_a_device_is_told_that_its_event_is_stored(connect):
    """The acknowledgement of a device's JetStream publish reaches the device's own inbox."""
    a = await connect(A)
    ack = await a.client.jetstream().publish(A.started("en-US", "stable"), b"x")
    assert ack.stream == "UTTERANCES"


@pytest.mark.parametrize(
    ("role", "forbidden"),
    [
        ("nlu", ["turn.transcribed", "turn.outcome.h1.a.t", "device.h1.a.down.outcome.t", "$KV.SESSIONS.h1.a"]),
        ("tracestore", ["turn.transcribed", "device.h1.a.down.directive", "$JS.API.STREAM.DELETE.AUDIO"]),
        ("tts", ["turn.outcome.h1.a.t", "$KV.SESSIONS.h1.a", "device.h1.a.up.event"]),
        ("scheduler", ["schedule.due", "turn.outcome.h1.a.t", "$KV.SESSIONS.h1.a", "device.h1.a.up.ring"]),
        ("asr", ["turn.interpreted", "$KV.SESSIONS.h1.a", "$JS.API.STREAM.DELETE.OUTCOMES"]),
    ],
)
async def test_a_service_says_only_what_is_its_own(connect, role, forbidden):
    """A service's user is refused other services' events, other stores, and the deletion of streams."""
    user = await connect(role)
    for subject in forbidden:
        await user.client.publish(subject, b"x")
    await user.settle()
    assert len(user.refused) == len(forbidden)


async def test_a_service_hears_no_audio_that_it_does_not_need(connect):
    """NLU, TTS, the scheduler and the trace store can't listen to what users say."""
    for role in ("nlu", "tts", "scheduler", "tracestore"):
        user = await connect(role)
        await user.listen("device.*.*.up.audio.*")
        assert len(user.refused) == 1


async def test_a_device_keeps_its_credential_over_a_restart(tmp_path):
    """A device that was paired before a restart connects after it with the file that it has."""
    async with Stack(home=tmp_path, services=(), tracestore=False) as stack:
        credentials = stack.device_credentials(*A)
        before = credentials.read_bytes()
    async with Stack(home=tmp_path, services=(), tracestore=False) as stack:
        assert stack.device_credentials(*A).read_bytes() == before
        user = await User().connect(stack.nats_url, credentials, device_inbox(*A))
        await user.client.jetstream().publish(A.event(), b"x")
        await user.client.close()


async def test_admin_manages_streams_and_asr_does_not(connect):
    """Streams are the topology's: a service can't make or delete one."""
    asr = await connect("asr")
    with pytest.raises((APIError, NatsError, TimeoutError)):
        await asr.client.jetstream(timeout=0.2).delete_stream("AUDIO")
    admin = await connect("admin")
    assert (await admin.client.jetstream().stream_info("AUDIO")).config.name == "AUDIO"
