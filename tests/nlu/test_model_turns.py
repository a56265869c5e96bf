"""Turns with the statistical model on: paraphrases are answered, other speech is not, and a skill comes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio

from earshot.dialogue.v1 import outcome_pb2
from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import Typed, converse

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PLAIN = "what time is it"
# No template accounts for these, nor are they slips of one.
CLOCK = "could you let me know the current time"
MUSIC = "could you skip past this song for me"
STRANGE = ("she plays tennis on wednesdays", "the government has fallen after a vote")
# A process trains for seconds, on a machine that may do a lot beside it; those who only look leave it the machine.
TRAINED_S = 200
LOOK_S = 0.5
_NAMES = ("nlu", "dialogue", "clock", "music")
_HOUSEHOLDS = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run what typed turns need, with the model as it is deployed, in a folder without any."""
    services = [service for service in SERVICES if service.name in _NAMES]
    env = {"EARSHOT_NLU_MODEL": "sentences", "EARSHOT_NLU_MODELS": str(tmp_path_factory.mktemp("models"))}
    home = tmp_path_factory.mktemp("stack")
    async with Stack(home=home, services=services, env=env, tracestore=False) as running:
        await running.ready(120)
        yield running


async def said(stack: Stack, text: str) -> Typed:
    """Type one turn, in a household that has said nothing yet."""
    number = next(_HOUSEHOLDS)
    return await converse(stack, text, "en-US", DeviceAddress(f"modelled{number}", "device"))


def intent_of(typed: Typed) -> str:
    """Return the intent that a turn was answered by; empty where it was not."""
    last = typed.outcomes[-1]
    return str(last.intent) if last.kind == outcome_pb2.OUTCOME_KIND_ANSWERED else ""


async def test_skill_that_comes_is_understood_without_a_wrong_turn(stack: Stack) -> None:
    """A paraphrase is answered by the model, speech for nobody by nobody; a new skill's model takes over in between turns.

    While the model with the new skill is trained, the older one goes on: no turn that it can answer is answered wrongly.
    """
    music = stack.processes["music-0"]
    await music.stop()
    async with asyncio.timeout(TRAINED_S):
        while intent_of(await said(stack, CLOCK)) != "clock.get_time":
            await asyncio.sleep(LOOK_S)
    answered = await said(stack, CLOCK)
    assert answered.hypotheses[0].recognizer == "statistical"
    assert 0.5 <= answered.hypotheses[0].confidence <= 0.9
    for text in STRANGE:
        assert intent_of(await said(stack, text)) == ""
    assert intent_of(await said(stack, MUSIC)) == ""

    music.start()
    wrong: list[tuple[str, str]] = []
    turns = 0
    async with asyncio.timeout(TRAINED_S):
        while (found := intent_of(await said(stack, MUSIC))) != "music.next":
            if found:
                wrong.append((MUSIC, found))
            for text, intent in ((PLAIN, "clock.get_time"), (CLOCK, "clock.get_time"), (STRANGE[0], "")):
                told = intent_of(await said(stack, text))
                turns += 1
                if told != intent:
                    wrong.append((text, told))
            await asyncio.sleep(LOOK_S)
    assert wrong == []
    # A process starts, loads its libraries and trains: many turns pass.
    assert turns > 5
    assert (await said(stack, MUSIC)).hypotheses[0].recognizer == "statistical"
    assert intent_of(await said(stack, CLOCK)) == "clock.get_time"
    for text in STRANGE:
        assert intent_of(await said(stack, text)) == ""
