"""The assistant's own words in one locale, and how short replies are read in it. Pure: `languages` loads the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from earshot_dialogue.core.values import Prompt

_PUNCTUATION = " \t\n.,;:!?'\"…。，、；：！？「」“”"


@dataclass(frozen=True, slots=True, kw_only=True)
class Affixes:
    """Words that may stand before or after what counts."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One locale.

    Attributes:
        locale: BCP-47.
        prompts: Key to words; {name} stands for a value. An apology for an error is "apology.<code>".
        spaced: Whether words are separated by spaces.
        separator: What stands between the items of a list.
        answer: What is said around a bare answer: "in Paris, please".
        follow_up: What makes a few words a follow-up: "and …", "…呢".
        moments: Words that tell a time, which nobody here can compute with.
    """

    locale: str
    prompts: Mapping[str, str]
    spaced: bool = True
    separator: str = ", "
    answer: Affixes = field(default_factory=Affixes)
    follow_up: Affixes = field(default_factory=Affixes)
    moments: tuple[str, ...] = ()

    def say(self, key: str, **values: str) -> Prompt:
        """Return the prompt of that key.

        Raises:
            KeyError: There is none, or a value is missing.
        """
        return Prompt(text=self.prompts[key].format(**values), locale=self.locale, key=f"assistant.{key}")

    def apology(self, code: str) -> Prompt:
        """Return what to say about an error: words of its own, or the general ones."""
        key = f"apology.{code}"
        return self.say(key if key in self.prompts else "apology.default")

    def bare(self, text: str) -> str:
        """Return the answer in a short reply: "in Paris, please" is "Paris"."""
        rest, _ = self._strip(text, self.answer)
        return rest

    def follow_up_rest(self, text: str) -> str | None:
        """Return what a follow-up is about, "and in Tokyo?" is "Tokyo"; None when it does not sound like one."""
        rest, marked = self._strip(text, self.follow_up)
        return (self.bare(rest) or None) if marked else None

    def tells_time(self, text: str) -> bool:
        """Tell whether words speak of a day or a time of day."""
        said = text.casefold()
        return any(word in (said.split() if self.spaced else said) for word in self.moments)

    def _strip(self, text: str, affixes: Affixes) -> tuple[str, bool]:
        rest, marked = text.strip(_PUNCTUATION), False
        for affix in affixes.before:
            if self._leads(rest, affix):
                rest, marked = rest[len(affix) :].strip(_PUNCTUATION), True
        for affix in affixes.after:
            if self._ends(rest, affix):
                rest, marked = rest[: -len(affix)].strip(_PUNCTUATION), True
        return rest, marked

    def _leads(self, text: str, affix: str) -> bool:
        # An affix alone is the answer itself: somebody may want to hear a song called "At".
        if len(text) <= len(affix) or text[: len(affix)].casefold() != affix:
            return False
        return not self.spaced or not text[len(affix)].isalnum()

    def _ends(self, text: str, affix: str) -> bool:
        if len(text) <= len(affix) or text[-len(affix) :].casefold() != affix:
            return False
        return not self.spaced or not text[-len(affix) - 1].isalnum()
