"""Bad input to the whole system: each is answered with a code, the next good turn is answered, nobody is restarted."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio

from earshot.common.v1 import audio_pb2
from earshot.device.v1 import downstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_device import Device, DeviceSettings, OutcomeKind
from earshot_device.errors import CredentialRefusedError
from earshot_local.credentials import Credentials
from earshot_local.home import Home
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.hearing import frames_of
from support.rough_device import RoughDevice, rough_device
from support.stack import converse, device, speech

OPUS = audio_pb2.AUDIO_ENCODING_OPUS
APOLOGISED = outcome_pb2.OUTCOME_KIND_APOLOGISED
ANSWERED = outcome_pb2.OUTCOME_KIND_ANSWERED


@pytest_asyncio.fixture(scope="module", loop_scope="package", autouse=True)
async def unharmed(stack: Stack) -> AsyncIterator[None]:
    """Whatever these tests send, every process is the same one afterwards."""
    before = {name: (child.pid, child.restarts) for name, child in stack.processes.items()}
    yield
    assert {name: (child.pid, child.restarts) for name, child in stack.processes.items()} == before


@pytest_asyncio.fixture(loop_scope="package")
async def rough(stack: Stack, address: DeviceAddress) -> AsyncIterator[RoughDevice]:
    """A device that sends what it likes; a good turn of the same device is answered right after."""
    async with rough_device(stack, address) as made:
        yield made
    await assert_answered(stack, address)


async def assert_answered(stack: Stack, address: DeviceAddress) -> None:
    """Check that a typed turn of a device is answered."""
    typed = await converse(stack, "what time is it in Tokyo", "en-US", address, time_zone="Asia/Tokyo")
    assert (typed.outcomes[-1].kind, typed.keys) == (ANSWERED, ["clock.time_in"])


async def test_a_device_that_nobody_knows_is_refused(stack: Stack, address: DeviceAddress, tmp_path: Path) -> None:
    """A credential signed by other keys opens nothing; the device says why, with a code."""
    home = Home(tmp_path)
    home.make()
    foreign = Credentials(home).device(*address)
    settings = DeviceSettings(
        nats_url=stack.nats_url, household_id=address.household, device_id=address.device, credentials=foreign
    )
    with pytest.raises(CredentialRefusedError) as caught:
        await Device(settings).__aenter__()
    assert caught.value.code == "credential_refused"
    await assert_answered(stack, address)


async def test_a_start_that_cannot_be_parsed(rough: RoughDevice) -> None:
    """Bytes that are no start event are told to the device with their code."""
    await rough.begin(raw=b"\xff\xfe\xfd not protobuf")
    await rough.wait(lambda: rough.errors)
    assert {told.error.code for told in rough.errors} == {"malformed_payload"}


@pytest.mark.parametrize(
    ("announced", "code"),
    [
        ({"version": 99}, "unsupported_contract_version"),
        ({"rate": 96_000}, "unsupported_sample_rate"),
        ({"rate": 44_100, "encoding": OPUS}, "unsupported_sample_rate"),
        ({"channels": 6}, "unsupported_channel_count"),
        ({"locale": "tlh-QO"}, "unsupported_locale"),
    ],
    ids=str,
)
async def test_a_start_that_can_not_be_served(rough: RoughDevice, announced: dict[str, Any], code: str) -> None:
    """What can't be served is refused with its code, and the user hears an apology: somebody is waiting."""
    turn = await rough.begin(**announced)
    outcome = await rough.outcome(turn)
    assert code in rough.codes(turn)
    assert (outcome.kind, outcome.error.code) == (APOLOGISED, code)
    assert outcome.prompts


@pytest.mark.parametrize(
    ("payload", "encoding", "code"),
    [
        (b"\1" * 1_281, audio_pb2.AUDIO_ENCODING_LINEAR16, "odd_byte_count"),
        (b"garbage" * 30, OPUS, "malformed_opus"),
    ],
    ids=["odd byte count", "garbage for Opus"],
)
async def test_frames_that_are_not_audio(rough: RoughDevice, payload: bytes, encoding: int, code: str) -> None:
    """A frame that is not what was announced ends the turn with a code and an apology."""
    turn = await rough.begin(encoding=encoding)
    await rough.send(turn, 0, payload)
    outcome = await rough.outcome(turn)
    assert code in rough.codes(turn)
    assert (outcome.kind, outcome.error.code) == (APOLOGISED, code)
    assert outcome.prompts


async def test_silence_only(rough: RoughDevice) -> None:
    """Nobody speaks: the turn is rejected without a word, for nobody waits."""
    turn = await rough.begin()
    await rough.say(turn, np.zeros(8 * 16_000, np.int16), last=False)
    outcome = await rough.outcome(turn)
    assert outcome.kind == outcome_pb2.OUTCOME_KIND_REJECTED
    assert not outcome.prompts
    (end,) = rough.of(turn, "endpoint_detected")
    assert end.endpoint_detected.reason == downstream_pb2.ENDPOINT_REASON_NO_SPEECH


async def test_somebody_who_talks_for_ten_minutes(rough: RoughDevice, stack: Stack) -> None:
    """Ten minutes of speech, sent at once, are cut at the longest utterance allowed; the turn has its one outcome."""
    said = await speech(stack, "what time is it in Tokyo", "en-US")
    loud = np.flatnonzero(np.abs(said.astype(np.int32)) > 500)
    payloads = frames_of(said[loud[0] : loud[-1]])[:-1]
    turn = await rough.begin()
    for sequence in range(10 * 60 * 25):
        await rough.send(turn, sequence, payloads[sequence % len(payloads)])
        if sequence % 500 == 0:
            await rough.client.flush()
    outcome = await rough.outcome(turn, 40)
    (end,) = rough.of(turn, "endpoint_detected")
    assert end.endpoint_detected.reason == downstream_pb2.ENDPOINT_REASON_MAXIMUM_LENGTH
    assert outcome.kind in (ANSWERED, APOLOGISED, outcome_pb2.OUTCOME_KIND_REJECTED)
    assert outcome.kind != APOLOGISED or outcome.error.code


@pytest.mark.parametrize(
    ("text", "locale", "code"),
    [
        ("", "en-US", "empty_text"),
        (" \n\t", "en-US", "empty_text"),
        ("what time is it " * 6_250, "en-US", "text_too_long"),
        ("what time is it", "tlh-QO", "unsupported_locale"),
    ],
    ids=["empty", "blank", "100 kB", "unknown locale"],
)
async def test_text_that_is_refused(stack: Stack, address: DeviceAddress, text: str, locale: str, code: str) -> None:
    """Text that can't be taken is refused with its code."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await converse(stack, text, locale, address)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert from_rpc_error(caught.value).code == code
    await assert_answered(stack, address)


@pytest.mark.parametrize("text", ["🎉🎉🎉", "\u202e\u0301\ufeff?", "'; DROP TABLE turns; --"])
async def test_text_that_means_nothing(stack: Stack, address: DeviceAddress, text: str) -> None:
    """Emoji and other signs get an answer that says so."""
    typed = await converse(stack, text, "en-US", address)
    assert (typed.outcomes[-1].kind, typed.keys) == (ANSWERED, ["assistant.not_understood"])
    await assert_answered(stack, address)


async def test_after_all_of_this_a_device_is_heard(stack: Stack, address: DeviceAddress) -> None:
    """A spoken turn after all the bad ones is heard and answered, by a turn id of its own."""
    async with device(stack, address) as speaking:
        result = await speaking.say(await speech(stack, "what time is it in Tokyo", "en-US"))
    assert uuid.UUID(result.turn_id).version == 7
    assert result.kind is OutcomeKind.ANSWERED
    assert result.segments[-1].intent == "clock.get_time"
