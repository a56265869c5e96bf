"""Sentence to intent and slots with the repository's own skills: golden/<locale>.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from earshot_nlu.understanding.interpreter import Interpreter
from support.understanding import LOCALES, assistant_words, best, meaning, real_skill, real_skills, taught

GOLDEN = Path(__file__).parent / "golden"


def rows() -> list[Any]:
    """Return the rows of every locale."""
    return [
        pytest.param(locale, row, id=f"{locale}-{row['say']}")
        for locale in LOCALES
        for row in yaml.safe_load((GOLDEN / f"{locale}.yaml").read_text("utf-8"))
    ]


@pytest.fixture(scope="module")
def own_skills() -> Interpreter:
    """Return an interpreter with the repository's own skills."""
    return taught([one for name in real_skills() for one in real_skill(name)] + assistant_words())


@pytest.mark.parametrize(("locale", "row"), rows())
def test_golden_sentence(own_skills: Interpreter, locale: str, row: dict[str, Any]) -> None:
    """A sentence means what its row says."""
    assert meaning(best(own_skills, row["say"], locale=locale)) == (row["intent"], row["slots"])
