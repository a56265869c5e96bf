"""What NLU's tests have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import SkillWords
from support.understanding import assistant_words, folder_words, taught

_SKILLS = Path(__file__).parent / "skills"


@pytest.fixture(scope="session")
def words() -> list[SkillWords]:
    """Return the words of three small skills and of the assistant, in both locales."""
    folders = [folder_words(folder) for folder in sorted(_SKILLS.iterdir())]
    return [one for folder in folders for one in folder] + assistant_words()


@pytest.fixture(scope="session")
def interpreter(words: list[SkillWords]) -> Interpreter:
    """Return an interpreter that was taught these; no test may teach it something else."""
    return taught(words, revision=7)
