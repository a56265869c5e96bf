"""The engine's readings travel to NLU, and are used there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bench.recognition.skills import registered
from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot_asr import wire
from earshot_asr.endpointing import Endpoint, EndpointReason
from earshot_asr.engines.base import Alternative, Recognition, Rejection
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.recognition import Result
from earshot_asr.utterance import Epoch
from earshot_nlu.wire import utterance_of_turn
from support.engines import ENGLISH, recognise, spoken, vocabulary
from support.understanding import taught

NOW = datetime(2026, 11, 18, 10, 30, tzinfo=UTC)


def _event(recognition: Recognition) -> events_pb2.TurnTranscribed:
    result = Result(
        endpoint=Endpoint(reason=EndpointReason.SILENCE, end_of_speech_offset=1.0, audio_offset=1.0),
        audio_duration=recognition.audio_duration,
        alternatives=recognition.alternatives,
        rejection=recognition.rejection,
        engine=recognition.engine,
        registry_revision=recognition.registry_revision,
    )
    context = turn_pb2.TurnContext(locale=ENGLISH, time_zone="Asia/Shanghai")
    return events_pb2.TurnTranscribed.FromString(wire.transcribed(context, Epoch(1), result).SerializeToString())


async def test_every_reading_reaches_nlu(make_engine: Callable[..., PocketsphinxEngine]) -> None:
    """What NLU gets are the engine's readings, all of them, in order, with their confidence."""
    engine = make_engine()
    await engine.start()
    try:
        await engine.set_vocabulary(vocabulary(ENGLISH))
        recognition = await recognise(engine, spoken("what's the weather in Paris tomorrow", ENGLISH), ENGLISH)
    finally:
        await engine.stop()
    assert len(recognition.alternatives) > 1
    readings = utterance_of_turn(_event(recognition), NOW).alternatives
    assert [one.transcript for one in readings] == [one.transcript for one in recognition.alternatives]
    assert [one.confidence for one in readings] == pytest.approx([one.confidence for one in recognition.alternatives])


async def test_nlu_takes_the_reading_that_means_something() -> None:
    """Where no skill understands the best reading but one does a later, the turn goes to that skill."""
    heard = Recognition(
        alternatives=(
            Alternative(transcript="play sum chess", confidence=0.6),
            Alternative(transcript="what time is it in Tokyo", confidence=0.5),
        ),
        rejection=Rejection.NONE,
        engine="test/1",
        registry_revision=1,
        audio_duration=1.0,
    )
    interpretation = taught(registered()).interpret(utterance_of_turn(_event(heard), NOW))
    assert interpretation.hypotheses[0].intent == "clock.get_time"
    assert interpretation.hypotheses[0].alternative_index == 1
    assert interpretation.transcript == "what time is it in Tokyo"
