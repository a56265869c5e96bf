"""Finds the few sentences that an utterance may be, however many skills are registered.

hassil tells for each sentence what literal fragments a matching text must hold. A sentence stands in the index under
the rarest of these; an utterance looks up all its substrings of the lengths that occur. Both steps depend on the length
of the utterance, not on the number of sentences. The filter is sound: it drops only what can't match.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from earshot_nlu.understanding.templates.compile import Unit


class TemplateIndex:
    """Sentences by the fragments that they need. Immutable once made."""

    def __init__(self, units: Iterable[Unit]) -> None:
        all_units = list(units)
        counts = Counter(fragment for unit in all_units for clause in unit.clauses for fragment in clause)
        self._fragments = frozenset(counts)
        self._lengths = tuple(sorted({len(fragment) for fragment in self._fragments}))
        self._by_fragment: dict[str, list[Unit]] = {}
        self._always: list[Unit] = []
        for unit in all_units:
            if not unit.clauses:
                self._always.append(unit)
                continue
            rarest = min(unit.clauses, key=lambda clause: sum(counts[fragment] for fragment in clause))
            for fragment in rarest:
                self._by_fragment.setdefault(fragment, []).append(unit)
        self.units = tuple(all_units)

    def candidates(self, text: str) -> list[Unit]:
        """Return the sentences that a text may be; the text normalised, in every form that is going to be matched."""
        held = self._held(text.casefold())
        found: dict[Unit, None] = dict.fromkeys(self._always)
        for fragment in held:
            for unit in self._by_fragment.get(fragment, ()):
                if unit not in found and all(not held.isdisjoint(clause) for clause in unit.clauses):
                    found[unit] = None
        return list(found)

    def _held(self, text: str) -> set[str]:
        length = len(text)
        if length * len(self._lengths) > len(self._fragments):
            return {fragment for fragment in self._fragments if fragment in text}
        return {
            piece
            for size in self._lengths
            for start in range(length - size + 1)
            if (piece := text[start : start + size]) in self._fragments
        }
