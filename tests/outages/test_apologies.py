"""Services are gone when an answer is due: one apology, in the household's locale, with or without a voice."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from chaos.checker import Verdict
from chaos.codewords import LOCALES
from chaos.lines import as_spoken
from earshot.dialogue.v1 import outcome_pb2
from outages.homes import Outages, clip_alone, frozen, home, sentences

SORRY = {"en-US": "Sorry, that took too long.", "zh-CN": "抱歉，时间太久了。"}
# After what was frozen wakes up.
LISTEN_ON_S = 2.0


@pytest.mark.timeout(60)
async def test_the_deadlines_apology_is_in_the_households_locale(outages: Outages) -> None:
    """Understanding is frozen: the cloud apologises in words, once; what wakes later adds nothing."""
    async with AsyncExitStack() as opened:
        homes = [await opened.enter_async_context(home(outages, each, listen_on_s=LISTEN_ON_S / 2)) for each in LOCALES]
        async with frozen(outages, "nlu"):
            for turn in [here.begin() for here in homes]:
                await turn
    for locale, here in zip(LOCALES, homes, strict=True):
        assert here.judged() == [Verdict.APOLOGISED], here.told()
        assert sentences(here.turns()[0]) == list(as_spoken(SORRY[locale], locale)), here.told()


@pytest.mark.timeout(60)
async def test_an_apology_needs_no_voice(outages: Outages) -> None:
    """Nobody synthesises: the device plays its locale's clip instead, soon, and not again what is spoken when TTS is back.

    The same holds where an answer was decided and nobody speaks it.
    """
    async with AsyncExitStack() as opened:
        answered = await opened.enter_async_context(home(outages))
        # What the clip comes after is not the time that an answer may be silent.
        homes = [
            await opened.enter_async_context(home(outages, each, speech_timeout_s=30.0, listen_on_s=LISTEN_ON_S / 2))
            for each in LOCALES
        ]
        async with frozen(outages, "tts"):
            decided = answered.begin()
            outcome = await outages.outcome(answered, await outages.turn_of(answered))
            assert outcome.kind == outcome_pb2.OUTCOME_KIND_ANSWERED
            async with frozen(outages, "nlu"):
                for turn in [here.begin() for here in homes]:
                    await turn
            await decided
    for here in (answered, *homes):
        assert here.judged() == [Verdict.APOLOGISED], here.told()
        assert clip_alone(here.turns()[0]), here.told()
        await outages.seen(here.turns()[0].turn_id, "turn_abandoned")
    for here in homes:
        (turn,) = here.turns()
        assert (await outages.outcome(here, turn.turn_id)).kind == outcome_pb2.OUTCOME_KIND_APOLOGISED
        assert turn.sounded_at - turn.spoken_at < 20


@pytest.mark.timeout(60)
async def test_what_a_device_has_given_up_is_not_answered_any_more(outages: Outages) -> None:
    """Understanding and dialogue are frozen: the device's own clip, and when they wake no answer is claimed or heard."""
    async with home(outages, listen_on_s=LISTEN_ON_S) as here:
        async with frozen(outages, "nlu", "dialogue"):
            turn = await here.begin()
        outcome = await outages.outcome(here, turn.turn_id)
    assert outcome.kind in {outcome_pb2.OUTCOME_KIND_APOLOGISED, outcome_pb2.OUTCOME_KIND_CANCELLED}
    assert clip_alone(here.turns()[0]), here.told()
    assert here.judged() == [Verdict.APOLOGISED], here.told()
