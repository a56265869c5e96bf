"""What people say of timers and alarms: what it means and what answers it, through NLU, the dialogue's core and the skill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from earshot_dialogue.core.values import Slot
from earshot_nlu.understanding.interpreter import Interpreter
from support.conversing import Conversation
from support.timing import busy_kitchen

SAID = [
    pytest.param(path.stem, turn, id=f"{path.stem}: {turn['say']}")
    for path in sorted((Path(__file__).parent / "said").glob("*.yaml"))
    for turn in yaml.safe_load(path.read_text("utf-8"))
]


@pytest.mark.parametrize(("locale", "turn"), SAID)
async def test_sentence(interpreter: Interpreter, locale: str, turn: dict[str, Any]) -> None:
    """A sentence means its intent and slots beside every other skill, and gets its answer."""
    conversation = Conversation(await busy_kitchen(locale), interpreter, locale)
    answer = await conversation.say(turn["say"])
    assert conversation.meant is not None
    assert conversation.meant.intent == turn["intent"]
    assert {slot.name: _brief(slot) for slot in conversation.meant.slots} == turn.get("slots", {})
    assert answer == turn["answer"]


def _brief(slot: Slot) -> str:
    return slot.value if isinstance(slot.value, str) else slot.text
