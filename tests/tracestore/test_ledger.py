"""The whole trace store as a process of a stack: spans by a real exporter, turns by real messages."""

import asyncio

import httpx
import nats
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from earshot.device.v1.upstream_pb2 import DeviceEvent, PlaybackStarted, TurnAbandoned, UtteranceStarted
from earshot.dialogue.v1.outcome_pb2 import Outcome, OutcomeKind
from earshot_local import Stack
from earshot_topology.permissions import device_inbox
from earshot_topology.subjects import DeviceAddress

ADDRESS = DeviceAddress("h1", "d1")
TRACEPARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


async def _until(get, wanted):
    async with asyncio.timeout(5):
        while (found := await get()) != wanted:
            await asyncio.sleep(0.02)
    return found


async def test_turns_and_spans_of_a_running_stack(tmp_path):
    """Started, answered, played and abandoned turns are told from one another, with trace ids; spans arrive by OTLP."""
    async with Stack(home=tmp_path, services=()) as stack, httpx.AsyncClient(base_url=stack.traces_url) as http:
        await stack.ready(20)
        device = await nats.connect(
            stack.nats_url,
            user_credentials=str(stack.device_credentials(*ADDRESS)),
            inbox_prefix=device_inbox(*ADDRESS),
        )
        admin = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        for turn in ("answered", "open", "given-up"):
            message = UtteranceStarted(turn_id=turn)
            await device.publish(ADDRESS.started("zh-CN", "stable"), message.SerializeToString(), headers=TRACEPARENT)
        outcome = Outcome(outcome_id="o", kind=OutcomeKind.OUTCOME_KIND_ANSWERED, intent="clock.get_time", final=True)
        await device.flush()
        await admin.publish(ADDRESS.turn_outcome("answered"), outcome.SerializeToString())
        # An announcement: nobody spoke, so nothing started it.
        outcome.intent = "device.announcement"
        await admin.publish(ADDRESS.turn_outcome("announced"), outcome.SerializeToString())
        for event in (
            DeviceEvent(turn_id="answered", playback_started=PlaybackStarted(outcome_id="o")),
            DeviceEvent(turn_id="given-up", turn_abandoned=TurnAbandoned(reason="cloud_timeout")),
        ):
            await device.publish(ADDRESS.event(), event.SerializeToString())
        await device.publish(ADDRESS.event(), b"\xff\xff")

        async def states():
            turns = (await http.get("/api/turns", params={"device": "d1"})).json()["turns"]
            return {turn["turn_id"]: turn["state"] for turn in turns}

        told = {"answered": "answered", "announced": "answered", "open": "unfinished", "given-up": "abandoned"}
        await _until(states, told)
        announced = (await http.get("/api/turns/announced")).json()["turn"]
        assert announced["intent"] == "device.announcement"

        async def first_audio():
            return (await http.get("/api/turns/answered")).json()["turn"]["first_audio_ns"] is not None

        await _until(first_audio, wanted=True)
        answered = (await http.get("/api/turns/answered")).json()["turn"]
        assert answered["trace_id"] == TRACEPARENT["traceparent"].split("-")[1]
        assert (answered["intent"], answered["locale"]) == ("clock.get_time", "zh-CN")
        assert answered["duration_s"] >= 0
        await _export(stack.otlp_endpoint)
        assert (await http.get("/api/turns/spoken")).json()["spans"][0]["service"] == "test"
        await device.close()
        await admin.close()


async def _export(endpoint):
    provider = TracerProvider(resource=Resource.create({"service.name": "test"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    attributes = {"voice.turn.id": "spoken", "voice.household.id": "h1", "voice.device.id": "d1"}

    def speak():
        with provider.get_tracer("test").start_as_current_span("voice.turn", attributes=attributes):
            pass
        provider.shutdown()

    await asyncio.to_thread(speak)
