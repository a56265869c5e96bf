"""The sentences that are registered while figures are taken: the repository's skills and the assistant's own."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from earshot_skill_music.library import Library
from earshot_skill_music.samples import write_samples
from earshot_skill_music.scanning import scan
from earshot_skill_music.words import lists
from support.understanding import LOCALES, SkillWords, assistant_words, real_skill, real_skills, skill_words


def registered() -> list[SkillWords]:
    """Return the words of every skill, the music skill's with the names of its sample library."""
    ours = [words for name in real_skills() if name != "music" for words in real_skill(name)]
    return [*ours, *map(_with_names, real_skill("music")), *assistant_words()]


def coffee(document: str) -> SkillWords:
    """Return the words of a skill that makes coffee."""
    return skill_words("coffee", "en-US", document)


def documents(words: list[SkillWords]) -> dict[str, tuple[str, ...]]:
    """Return the sentence documents by locale, as a recogniser's vocabulary has them."""
    return {locale: tuple(one.sentences_yaml for one in words if one.locale == locale) for locale in LOCALES}


def _with_names(words: SkillWords) -> SkillWords:
    content: dict[str, Any] = yaml.safe_load(words.sentences_yaml)
    content["lists"] = {**content["lists"], **lists(_library(), words.locale)}
    named = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    return skill_words(words.skill_id, words.locale, named, words.slot_kinds)


@cache
def _library() -> Library:
    with tempfile.TemporaryDirectory(prefix="earshot-samples-") as folder:
        write_samples(Path(folder))
        return scan((Path(folder),))
