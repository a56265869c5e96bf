"""Short replies: a bare answer to a question, and "and in Tokyo?", which means the last turn with one thing exchanged."""

from __future__ import annotations

from dataclasses import replace

from earshot_dialogue.core.catalogue import SlotSpec
from earshot_dialogue.core.language import Language
from earshot_dialogue.core.routing import Route
from earshot_dialogue.core.values import Heard, Hypothesis, Slot

_RECOGNIZER = "dialogue"


def reply_slot(name: str, heard: Heard, route: Route, language: Language) -> Slot | None:
    """Return the slot that a reply fills; None when nothing was said, or nothing that the slot can hold.

    A slot of that name which the recogniser found, under whatever intent, is better than the bare words: its value is
    normalised. Words that nobody has normalised are no number, duration or date.
    """
    for hypothesis in heard.hypotheses:
        if (found := hypothesis.slot(name)) is not None:
            return found
    if not all(spec.textual for spec in route.intent.slots if spec.name == name):
        return None
    words = language.bare(heard.transcript)
    return _slot(name, words, route, language) if words else None


def inherit(last: Hypothesis | None, hypothesis: Hypothesis, heard: Heard, language: Language) -> Hypothesis:
    """Return a meaning with the last turn's slots where it has none of its own, if it is a follow-up of that turn."""
    if last is None or last.intent != hypothesis.intent or language.follow_up_rest(heard.transcript) is None:
        return hypothesis
    return last.filled(*hypothesis.slots)


def exchange(last: Hypothesis, heard: Heard, route: Route, language: Language) -> Hypothesis | None:
    """Return the last meaning with one slot exchanged for the words of a follow-up; None when it is none.

    "And on Friday?" is left to NLU, which can tell what day that is: taken as words, it would become a place.
    Which slot: one whose list knows the words; otherwise one that takes any words, filled before required before others.
    """
    words = language.follow_up_rest(heard.transcript)
    if words is None or language.tells_time(words):
        return None
    specs = [spec for spec in route.intent.slots if spec.textual]
    if not specs:
        return None

    def fitness(spec: SlotSpec) -> tuple[bool, bool, bool]:
        known = route.skill.value(language.locale, spec.name, words) is not None
        return known, last.slot(spec.name) is not None, spec.required

    best = max(specs, key=fitness)
    return replace(last.filled(_slot(best.name, words, route, language)), recognizer=_RECOGNIZER)


def _slot(name: str, words: str, route: Route, language: Language) -> Slot:
    known = route.skill.value(language.locale, name, words)
    return Slot(name=name, text=words, value=words if known is None else known)
