"""What a skill says: Jinja templates by key, one file a locale.

A key that begins with "ask." is a question: "ask.<intent>.<slot>" is what the user hears when that slot is missing.

Besides Jinja's own filters there are `full_stop` ("9:30 p.m." keeps its one full stop, "noon" gets one) and
`sentence_case` ("next friday" becomes "Next friday").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, UndefinedError

from earshot_skillkit.errors import BrokenManifestError, BrokenResponseError
from earshot_skillkit.manifest import Manifest

QUESTION = "ask."

# Spoken text, not HTML: nothing is to be escaped.
_STOPS = (".", "!", "?", "。", "！", "？")
_ENVIRONMENT = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701


def _full_stop(text: str) -> str:
    return text if text.endswith(_STOPS) else f"{text}."


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


_ENVIRONMENT.filters |= {"full_stop": _full_stop, "sentence_case": _sentence_case}


class Responses:
    """A locale's templates, compiled.

    Args:
        locale: BCP-47.
        templates: By key.
    """

    def __init__(self, locale: str, templates: Mapping[str, Template]) -> None:
        self.locale = locale
        self._templates = dict(templates)

    @property
    def keys(self) -> frozenset[str]:
        """Every key."""
        return frozenset(self._templates)

    def render(self, key: str, values: Mapping[str, Any]) -> str:
        """Return the words for a key, runs of white space made one space.

        Raises:
            BrokenResponseError: There is no such key, a value is missing, or nothing is left to say.
        """
        template = self._templates.get(key)
        if template is None:
            raise BrokenResponseError(f"there is no response {key!r} in {self.locale}")
        try:
            text = " ".join(template.render(values).split())
        except UndefinedError as error:
            raise BrokenResponseError(f"response {key!r} in {self.locale}: {error}") from error
        if not text:
            raise BrokenResponseError(f"response {key!r} in {self.locale} came out empty")
        return text


def check_responses(content: Any, *, file: str, locale: str, manifest: Manifest) -> Responses:
    """Return a locale's responses, compiled.

    Args:
        content: What the YAML file holds.
        file: Its path below the package folder, for errors.
        locale: The locale that it is for.
        manifest: The skill's: every required slot needs its question.

    Raises:
        BrokenManifestError: Something in the file is wrong; the first mistake is named.
    """
    if not isinstance(content, dict):
        raise BrokenManifestError(file, "", "is not a mapping")
    templates: dict[str, Template] = {}
    for key, text in content.items():
        if not isinstance(text, str) or not text.strip():
            raise BrokenManifestError(file, str(key), "is not a text")
        try:
            templates[str(key)] = _ENVIRONMENT.from_string(text)
        except TemplateSyntaxError as error:
            raise BrokenManifestError(file, str(key), f"can't be parsed: {error.message}") from error
    _check_questions(templates, file, manifest)
    return Responses(locale, templates)


def _check_questions(templates: Mapping[str, Template], file: str, manifest: Manifest) -> None:
    known = {f"{QUESTION}{name}.{slot}" for name, intent in manifest.intents.items() for slot in intent.slots}
    for key in templates:
        if key.startswith(QUESTION) and key not in known:
            raise BrokenManifestError(file, key, "asks for a slot that the manifest does not have")
    for name, intent in manifest.intents.items():
        for slot, declared in intent.slots.items():
            key = f"{QUESTION}{name}.{slot}"
            if declared.required and key not in templates:
                raise BrokenManifestError(file, key, "is missing: the slot is required, so it must be asked for")
