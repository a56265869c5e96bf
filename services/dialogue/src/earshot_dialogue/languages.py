"""Loads the assistant's words: one YAML file a locale, inside the package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from earshot_dialogue.core.language import Affixes, Language

# The locale that apologises when a turn's own is one that nobody here speaks.
FALLBACK_LOCALE = "en-US"


class Languages:
    """All locales that the assistant speaks."""

    def __init__(self, languages: Mapping[str, Language]) -> None:
        self._languages = dict(languages)
        self.fallback = self._languages[FALLBACK_LOCALE]

    @classmethod
    def load(cls) -> Languages:
        """Read the files in the package; blocking, a few milliseconds.

        Raises:
            ValueError: A locale lacks a prompt that another one has.
        """
        files = resources.files("earshot_dialogue") / "prompts"
        languages = [
            _language(yaml.safe_load(file.read_text(encoding="utf-8")))
            for file in files.iterdir()
            if file.name.endswith(".yaml")
        ]
        keys = {key for language in languages for key in language.prompts}
        for language in languages:
            missing = keys - set(language.prompts)
            if missing:
                raise ValueError(f"{language.locale} lacks {', '.join(sorted(missing))}")
        return cls({language.locale: language for language in languages})

    @property
    def locales(self) -> tuple[str, ...]:
        """BCP-47 of every locale."""
        return tuple(sorted(self._languages))

    def find(self, locale: str) -> Language | None:
        """Return a locale's language; None when nobody here speaks it."""
        return self._languages.get(locale)

    def or_fallback(self, locale: str) -> Language:
        """Return a locale's language, or the one that apologises for not knowing it."""
        return self._languages.get(locale, self.fallback)


def _language(data: Mapping[str, Any]) -> Language:
    return Language(
        locale=data["locale"],
        prompts=dict(_flat("", data["prompts"])),
        spaced=data["spaced"],
        separator=data["separator"],
        answer=_affixes(data["answer"]),
        follow_up=_affixes(data["follow_up"]),
        moments=tuple(data["moments"]),
    )


def _flat(prefix: str, tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, str):
            pairs.append((prefix + key, value))
        else:
            pairs.extend(_flat(f"{prefix}{key}.", value))
    return pairs


def _affixes(data: Mapping[str, Any]) -> Affixes:
    return Affixes(before=tuple(data["before"]), after=tuple(data["after"]))
