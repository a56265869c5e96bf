"""NLU with every skill, made once."""

from __future__ import annotations

import pytest

from earshot_nlu.understanding.interpreter import Interpreter
from support.timing import everything_taught


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    """Return NLU that has learned every skill of the repository."""
    return everything_taught()
