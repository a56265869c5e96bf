"""The demonstration: four spoken turns, each with what it must come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTurn:
    """Something to say and what must be understood.

    Attributes:
        text: The words.
        locale: Their locale.
        intent: What they mean.
        slots: Slots that must be filled, with their values; None takes any value.
    """

    text: str
    locale: str
    intent: str
    slots: Mapping[str, str | None] = field(default_factory=dict)


TURNS: tuple[DemoTurn, ...] = (
    DemoTurn(text="what time is it in Tokyo", locale="en-US", intent="clock.get_time", slots={"city": "Tokyo"}),
    DemoTurn(text="play some jazz", locale="en-US", intent="music.play", slots={"genre": "jazz"}),
    DemoTurn(
        text="what's the weather in Paris tomorrow",
        locale="en-US",
        intent="weather.get_forecast",
        slots={"city": "Paris", "date": None},
    ),
    DemoTurn(text="现在几点了", locale="zh-CN", intent="clock.get_time"),
)


def wrong(wanted: DemoTurn, document: Mapping[str, Any]) -> str:
    """Return what is wrong with a turn, or an empty string."""
    if document["kind"] != "answered":
        return f"it was {document['kind'] or 'abandoned'}, not answered"
    if document["intent"] != wanted.intent:
        return f"the intent is {document['intent'] or 'missing'}, not {wanted.intent}"
    for name, value in wanted.slots.items():
        found = document["slots"].get(name)
        if found is None or (value is not None and str(found).casefold() != value.casefold()):
            return f"the slot {name} is {found!r}, not {value or 'filled'}"
    if not document["answer"]:
        return "there is no answer"
    if document["first_audio_s"] is None or not document["answer_wav"]:
        return "the answer was not heard"
    return ""
