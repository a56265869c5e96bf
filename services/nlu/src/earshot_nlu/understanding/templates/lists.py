"""Lists of a skill's sentences, narrowed for each utterance to the values that stand in it.

A sentence is then matched against one or two cities instead of all of them, and a sentence that needs a value which
is not there is not matched at all.
"""

from __future__ import annotations

from hassil.expression import TextChunk
from hassil.intents import TextSlotList, TextSlotValue

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.templates.samples import samples

# Ways to say one value that are written out; a template with more is always tried.
_MAX_VARIANTS = 64


class NarrowedList:
    """A list of texts by the words that each begins to match with.

    Args:
        source: As the skill gives it.
        language: Whose words these are.
        whole_words: Whether its values only stand as whole words in the sentences; other lists are not narrowed.
    """

    def __init__(self, source: TextSlotList, language: Language, *, whole_words: bool) -> None:
        self.source = source
        self._always: list[TextSlotValue] = []
        self._by_text: dict[str, list[TextSlotValue]] = {}
        for value in source.values:
            variants = samples(value.text_in, {}, _MAX_VARIANTS + 1)
            texts = [text for text in variants if text.strip()]
            known = all("{" not in text and len(language.tokens(text)) <= language.longest_run for text in texts)
            if not whole_words or len(variants) > _MAX_VARIANTS or not known:
                self._always.append(value)
                continue
            for text in texts:
                plain = text.strip()
                written = TextSlotValue(TextChunk(plain), value.value_out, value.context, value.metadata)
                self._by_text.setdefault(plain.casefold(), []).append(written)

    @property
    def choices(self) -> list[str]:
        """The texts that are written out."""
        return list(self._by_text)

    def within(self, runs: frozenset[str]) -> TextSlotList:
        """Return the values that stand among a text's runs of words."""
        found = self._by_text.keys() & runs
        values = [value for text in sorted(found) for value in self._by_text[text]]
        return TextSlotList(name=self.source.name, values=values + self._always)


def listed_as(name: str) -> str:
    """Return what the sentences call a list: a unit's name without the number that tells it from its namesakes."""
    stem, _, number = name.rpartition(" ")
    return stem if stem and number.isdigit() else name


def runs_of(text: str, language: Language) -> frozenset[str]:
    """Return every run of neighbouring words of a normalised text, up to the language's longest."""
    tokens = language.tokens(text)
    runs: set[str] = set()
    for first, begin in enumerate(tokens):
        for last in tokens[first : first + language.longest_run]:
            run = text[begin.start : last.end].casefold()
            runs.add(run)
            runs.add(run.removesuffix("'s"))
    return frozenset(runs)
