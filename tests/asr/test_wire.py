"""Between the contracts and the domain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from earshot.asr.v1 import events_pb2
from earshot.device.v1 import downstream_pb2, upstream_pb2
from earshot.skill.v1 import skill_pb2
from earshot_asr import wire
from earshot_asr.endpointing import Endpoint, EndpointReason
from earshot_asr.engines.base import Alternative, Locale, Rejection, Word
from earshot_asr.recognition import Result
from earshot_asr.utterance import Epoch
from earshot_registry import RegisteredSkill, RegistrySnapshot

SUBJECT = "device.h1.d1.up.started.en-US.canary"
NOW = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)


def test_a_turn_begins_by_the_clouds_clock() -> None:
    """The device's start time less its clock offset; household, device, locale and lane from the subject alone."""
    started = upstream_pb2.UtteranceStarted(turn_id="t", session_id="s", boot_id="b", time_zone="Asia/Tokyo")
    started.start_time.FromDatetime(NOW + timedelta(hours=1))
    started.device_clock_offset.FromTimedelta(timedelta(hours=1))
    context = wire.turn_context(started, SUBJECT, NOW)
    assert context.start_time.ToDatetime(tzinfo=UTC) == NOW
    assert (context.household_id, context.device_id, context.locale, context.lane) == ("h1", "d1", "en-US", "canary")
    assert (context.turn_id, context.session_id, context.boot_id) == ("t", "s", "b")


def test_a_turn_without_a_start_time_began_when_its_start_was_stored() -> None:
    """A device without a clock is served, too."""
    context = wire.turn_context(upstream_pb2.UtteranceStarted(turn_id="t"), SUBJECT, NOW)
    assert context.start_time.ToDatetime(tzinfo=UTC) == NOW


@pytest.mark.parametrize(("said_s", "skip_s"), [(0.0, 0.0), (0.75, 0.75), (-3.0, 0.0), (10**9, wire.LONGEST_SKIP_S)])
def test_the_wake_word_is_believed_within_reason(said_s: float, skip_s: float) -> None:
    """A device can't make the recogniser skip an utterance by an absurd wake word."""
    started = upstream_pb2.UtteranceStarted(turn_id="t", contract_version=1)
    started.format.encoding, started.format.sample_rate_hertz, started.format.channel_count = 1, 16_000, 1  # type: ignore[assignment]
    started.wake_word.end_offset.FromTimedelta(timedelta(seconds=said_s))
    assert wire.utterance_of(started, SUBJECT, 1).skip_s == skip_s


@pytest.mark.parametrize("said", [None, True, False])
def test_interim_results_are_left_out_only_where_a_device_says_so(*, said: bool | None) -> None:
    """A device that came before the field goes on being told."""
    started = upstream_pb2.UtteranceStarted(turn_id="t", contract_version=1, interim_results=said)
    started.format.encoding, started.format.sample_rate_hertz, started.format.channel_count = 1, 16_000, 1  # type: ignore[assignment]
    assert wire.utterance_of(started, SUBJECT, 1).interim_results is (said is not False)


def test_a_result_keeps_everything() -> None:
    """Words, offsets, confidences, engine, revision and reason reach the event."""
    word = Word(text="time", start_offset=0.25, end_offset=0.5, confidence=0.75)
    result = Result(
        endpoint=Endpoint(reason=EndpointReason.MAXIMUM_LENGTH, end_of_speech_offset=1.5, audio_offset=2.0),
        audio_duration=2.0,
        alternatives=(Alternative(transcript="what time", confidence=0.5, words=(word,)),),
        rejection=Rejection.NONE,
        engine="digest/1",
        registry_revision=7,
    )
    event = wire.transcribed(
        wire.turn_context(upstream_pb2.UtteranceStarted(turn_id="t"), SUBJECT, NOW), Epoch(3), result
    )
    assert (event.owner_epoch, event.engine, event.registry_revision) == (3, "digest/1", 7)
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_MAXIMUM_LENGTH
    assert event.audio_duration.ToMilliseconds() == 2_000
    (alternative,) = event.alternatives
    assert (alternative.transcript, alternative.confidence) == ("what time", 0.5)
    (heard,) = alternative.words
    assert (heard.word, heard.start_offset.ToMilliseconds(), heard.end_offset.ToMilliseconds()) == ("time", 250, 500)


@pytest.mark.parametrize("reason", list(EndpointReason))
def test_every_reason_has_its_word(reason: EndpointReason) -> None:
    """No reason is lost on the way out."""
    endpoint = Endpoint(reason=reason, end_of_speech_offset=0.0, audio_offset=0.0)
    name = downstream_pb2.EndpointReason.Name(wire.endpoint_detected(endpoint).reason)
    assert name == f"ENDPOINT_REASON_{reason.name}"


@pytest.mark.parametrize("rejection", [rejection for rejection in Rejection if rejection is not Rejection.NONE])
def test_every_rejection_has_its_word(rejection: Rejection) -> None:
    """No rejection is lost on the way out."""
    endpoint = Endpoint(reason=EndpointReason.SILENCE, end_of_speech_offset=0.0, audio_offset=0.0)
    result = Result(endpoint=endpoint, audio_duration=1.0, rejection=rejection, engine="e/1")
    assert events_pb2.Rejection.Name(wire.final_result(result).rejection) == f"REJECTION_{rejection.name}"


def test_the_vocabulary_is_every_live_skills_sentences() -> None:
    """Templates of all skills, locale by locale, with the registry's revision."""
    skills = [
        RegisteredSkill(
            description=skill_pb2.SkillDescription(
                skill_id=name,
                locales=[
                    skill_pb2.LocaleResources(locale=locale, sentences_yaml=f"{name} {locale}") for locale in locales
                ],
            )
        )
        for name, locales in (("clock", ("en-US", "zh-CN")), ("music", ("en-US",)))
    ]
    vocabulary = wire.vocabulary_of(RegistrySnapshot(revision=5, skills=tuple(skills)))
    assert vocabulary.revision == 5
    assert vocabulary.locales == {
        Locale("en-US"): ("clock en-US", "music en-US"),
        Locale("zh-CN"): ("clock zh-CN",),
    }


def test_what_is_no_frame_is_refused() -> None:
    """Bytes that do not parse are a ValueError, which the receiver counts."""
    with pytest.raises(ValueError, match="AudioFrame"):
        wire.read_frame(b"\xff\xff\xff")
