"""Golden turns: what is said, what it means, what answers it; typed for all, spoken for the main ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from earshot.dialogue.v1 import outcome_pb2
from earshot_device import OutcomeKind
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support import snapshots
from support.stack import Recording, converse, device, speech

GOLDEN = Path(__file__).parent / "golden"
SNAPSHOTS = Path(__file__).parent / "snapshots"
TURNS = [
    pytest.param(path.stem, turn, id=f"{path.stem}: {turn['say']}")
    for path in sorted(GOLDEN.glob("*.yaml"))
    for turn in yaml.safe_load(path.read_text())
]
# What a device asks for when nothing has come for a while: of a busy machine, and no event of a turn.
ASKED_WHEN_LATE = (".up.outcome", ".up.resume")
KINDS = {"answered": outcome_pb2.OUTCOME_KIND_ANSWERED, "cancelled": outcome_pb2.OUTCOME_KIND_CANCELLED}


@pytest.mark.parametrize(("locale", "turn"), TURNS)
async def test_typed_turn(stack: Stack, address: DeviceAddress, locale: str, turn: dict[str, Any]) -> None:
    """A typed turn gets its intent, its slots, its prompts in the user's language, its directives."""
    typed = await converse(stack, turn["say"], locale, address, time_zone=turn.get("time_zone", "UTC"))
    last = typed.outcomes[-1]
    assert last.final
    assert last.intent == turn["intent"], last
    assert last.kind == KINDS[turn.get("kind", "answered")]
    assert last.expects_reply == turn.get("expects_reply", False)
    if "keys" in turn:
        assert typed.keys == turn["keys"]
    if "slots" in turn:
        best = typed.hypotheses[0]
        assert {slot.name: slot.text.lower() for slot in best.slots} == {
            name: text.lower() for name, text in turn["slots"].items()
        }
    commands = [directive.WhichOneof("command") for directive in last.directives]
    for command in turn.get("directives", []):
        assert command in commands
    if turn.get("silent"):
        assert not typed.answer
    elif last.kind == outcome_pb2.OUTCOME_KIND_ANSWERED:
        written = {prompt.locale for outcome in typed.outcomes for prompt in outcome.prompts}
        assert written == {locale}
        assert any("\u4e00" <= sign <= "\u9fff" for sign in typed.answer) == (locale == "zh-CN")


# The weather is asked for aloud by the demonstration, in test_command.py: its answer is long.
SPOKEN = [
    ("en-US", "what time is it in Tokyo", "clock.get_time", "clock.time_in", "spoken-en-US"),
    ("en-US", "play some jazz", "music.play", None, None),
    ("zh-CN", "现在几点了", "clock.get_time", "clock.time_here", "spoken-zh-CN"),
]


@pytest.mark.parametrize(("locale", "text", "intent", "key", "kept"), SPOKEN, ids=str)
async def test_spoken_turn(
    stack: Stack, address: DeviceAddress, locale: str, text: str, intent: str, key: str | None, kept: str | None
) -> None:
    """A spoken turn is heard, understood and answered with sound, by whichever replicas it meets, in the same events."""
    samples = await speech(stack, text, locale)
    recording = await Recording.of(stack, *everything_of(address))
    # At home there, it is the same day there at any hour.
    async with device(stack, address, locale, time_zone="Asia/Tokyo", interim_results=True) as speaking:
        result = await speaking.say(samples)
        await speaking.settled()
    sent = [each for each in await recording.stop() if not each.subject.endswith(ASKED_WHEN_LATE)]
    assert result.kind is OutcomeKind.ANSWERED, result
    assert result.segments[-1].intent == intent
    assert result.final is not None
    assert result.final.confidence > 0
    assert result.first_frame_s is not None
    if key is not None:
        assert key in [prompt.key for segment in result.segments for prompt in segment.prompts]
    loudness = float(abs(result.answer.astype("int32")).max()) if result.answer.size else 0.0
    assert loudness > 1000, "the answer is silence"
    assert result.concealed_count == 0
    if kept is not None:
        snapshots.check(kept, snapshots.snapshot(sent, address), SNAPSHOTS)


async def test_events_of_a_typed_turn(stack: Stack, address: DeviceAddress) -> None:
    """A typed turn puts the same events on the bus as ever."""
    recording = await Recording.of(stack, *everything_of(address))
    await converse(stack, "play some jazz", "en-US", address)
    snapshots.check("typed-en-US", snapshots.snapshot(await recording.stop(), address), SNAPSHOTS)


def everything_of(address: DeviceAddress) -> tuple[str, str]:
    """Return the subjects that hold a device's turn."""
    return f"device.{address.household}.{address.device}.>", "turn.>"
