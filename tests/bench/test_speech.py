"""The speech that tests and benchmarks hear."""

from __future__ import annotations

import numpy as np

from support.speech import synthesise


def test_what_was_said_before_changes_nothing() -> None:
    """A sentence sounds the same whatever was said before it, so that a test hears alone what it hears among others."""
    # Its breath is noise.
    voice = "en-us+f3"
    first = synthesise("play some jazz", "en-US", voice=voice)
    synthesise.cache_clear()
    synthesise("现在几点了", "zh-CN")
    synthesise("stop", "en-US", voice=voice)
    assert np.array_equal(synthesise("play some jazz", "en-US", voice=voice), first)
