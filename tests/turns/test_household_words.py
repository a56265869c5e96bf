"""What a household calls its things, over every service: learnt in one turn, heard and understood in the next, there alone."""

from __future__ import annotations

from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import converse, device, speech

SPOKEN = "cancel the sourdough timer"


async def test_name_of_a_timer_is_heard_and_understood_in_its_household(stack: Stack, address: DeviceAddress) -> None:
    """A timer's name, typed once, is a word of the household when it is spoken; nobody else's recogniser knows it."""
    other = DeviceAddress(f"{address.household}x", address.device)
    typed = await converse(stack, "set a sourdough timer for ten minutes", "en-US", address)
    assert typed.hypotheses[0].intent == "timers.set_timer"
    samples = await speech(stack, SPOKEN, "en-US")
    async with device(stack, other) as theirs:
        elsewhere = await theirs.say(samples)
    async with device(stack, address) as ours:
        here = await ours.say(samples)
    assert "sourdough" not in elsewhere.transcript
    assert here.transcript == SPOKEN
    assert [segment.intent for segment in here.segments] == ["timers.cancel_timer"]
    misspelt = await converse(stack, "set a sour doe timer for five minutes", "en-US", address)
    assert {slot.name: slot.value.string_value for slot in misspelt.hypotheses[0].slots}["name"] == "sourdough"
