"""More examples of few: the same sentences with other values in their slots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random

from earshot_nlu.understanding.statistical.examples import Example, Filled


def exchanged(examples: Sequence[Example], enough: int) -> list[Example]:
    """Return examples that are missing until every intent with slots has enough, the same for the same examples.

    A slot takes a value that it has anywhere in the examples, in whatever intent. Sentences that were drawn from templates
    (they have a shape) are left alone: their values were chosen from whole lists.
    """
    random_ = Random(1)  # noqa: S311 - chooses values, the same every time
    values: dict[str, list[str]] = defaultdict(list)
    groups: dict[str, list[Example]] = defaultdict(list)
    for one in sorted(examples, key=lambda one: (one.text, one.intent)):
        if one.intent and one.slots and not one.shape:
            groups[one.intent].append(one)
            for slot in one.slots:
                values[slot.name].append(one.text[slot.start : slot.end])
    return [
        _exchanged(group[number % len(group)], values, random_)
        for group in groups.values()
        for number in range(enough - len(group))
    ]


def _exchanged(one: Example, values: Mapping[str, Sequence[str]], random_: Random) -> Example:
    text = ""
    position = 0
    slots: list[Filled] = []
    for slot in one.slots:
        text += one.text[position : slot.start]
        value = random_.choice(values[slot.name])
        slots.append(Filled(slot.name, len(text), len(text) + len(value)))
        text += value
        position = slot.end
    return Example(text=text + one.text[position:], intent=one.intent, slots=tuple(slots), shape=one.shape)
