"""The service as it is run, and the spans that it makes."""

from __future__ import annotations

import asyncio
import os
import sys

import grpc
import pytest
from opentelemetry import trace

from earshot.tts.v1 import synthesizer_pb2, synthesizer_pb2_grpc
from earshot_chassis import telemetry
from earshot_topology.attributes import DECLARED
from earshot_tts.engines.espeak import EspeakEngine
from earshot_tts.errors import EngineError
from support.nats import free_port
from support.spans import recorded_spans
from support.speaking import listener, settled, speech_worker


class BrokenEngine(EspeakEngine):
    """Speaks nothing."""

    def synthesise(self, *_said) -> None:
        """Break."""
        raise EngineError("it broke")


async def test_process_speaks_serves_and_stops(server) -> None:
    """The process speaks an outcome, lists its voices over gRPC, and ends by itself when it is asked to."""
    port = free_port()
    environment = os.environ | {
        "EARSHOT_NATS_URL": server.url,
        "EARSHOT_GRPC_PORT": str(port),
        "OTEL_TRACES_EXPORTER": "none",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "earshot_tts",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with listener(server) as device:
            turn = await device.decide("It is nine twenty.")
            assert len(await device.whole(turn, 30.0)) > 10
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = synthesizer_pb2_grpc.SynthesizerStub(channel)
            response = await stub.ListVoices(synthesizer_pb2.ListVoicesRequest(), wait_for_ready=True, timeout=5)
        assert {voice.engine for voice in response.voices} == {"espeak-ng"}
        process.terminate()
        _, complaints = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0
        assert b"Traceback" not in complaints
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def spans():
    """Record spans."""
    yield from recorded_spans()


async def test_answer_is_one_span_in_the_turns_trace(server, spans) -> None:
    """Speaking is a span below the message's own: until the first frame leaves it synthesises, then it paces; no frame has one."""
    async with speech_worker(server), listener(server) as device:
        with telemetry.span("dialogue.decide") as sender:
            headers: dict[str, str] = {}
            telemetry.inject(headers)
            turn = await device.decide("It is nine twenty. The weather is fine.", headers=headers)
        frames = await device.whole(turn)
        await settled(server)
    found = {span.name: span for span in spans.get_finished_spans()}
    ours = [span for span in spans.get_finished_spans() if span.context.trace_id == sender.get_span_context().trace_id]
    assert len(ours) == 5
    spoken = found["tts.speak"]
    (received,) = [span for span in ours if span.kind is trace.SpanKind.CONSUMER]
    assert spoken.parent.span_id == received.context.span_id
    assert received.parent.span_id == sender.get_span_context().span_id
    assert [event.name for event in spoken.events] == ["tts.first_frame"]
    assert spoken.attributes["voice.tts.frames"] == len(frames)
    assert spoken.attributes["voice.tts.sentences"] == 2
    assert set(spoken.attributes) <= DECLARED
    made, paced = found["tts.synthesize"], found["tts.pace"]
    assert {made.parent.span_id, paced.parent.span_id} == {spoken.context.span_id}
    (first_frame,) = spoken.events
    assert spoken.start_time <= made.start_time <= made.end_time <= first_frame.timestamp
    assert made.end_time <= paced.start_time <= paced.end_time <= spoken.end_time
    told = spoken.attributes
    took_s = (spoken.end_time - spoken.start_time) / 1e9
    assert told["voice.tts.first_frame_s"] > 0
    assert told["voice.tts.synthesis_s"] > 0
    assert told["voice.tts.queued_s"] + told["voice.tts.synthesis_s"] + told["voice.tts.paced_s"] <= took_s


async def test_a_voice_that_fails_fails_in_synthesis(server, spans) -> None:
    """Where the engine breaks before the first frame, it is `tts.synthesize` that has the error, and nothing was paced."""
    async with speech_worker(server, BrokenEngine()), listener(server) as device:
        await device.decide("It is half past ten.")
        async with asyncio.timeout(10):
            while "tts.speak" not in {span.name for span in spans.get_finished_spans()}:
                await asyncio.sleep(0.01)
    found = {span.name: span for span in spans.get_finished_spans()}
    assert found["tts.synthesize"].attributes["error.type"] == "engine_failed"
    assert "tts.pace" not in found
