"""What two searches make of an utterance is compared by its words or by how they sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from earshot_asr.engines.pocketsphinx.acoustic import english
from earshot_asr.engines.pocketsphinx.bundles import BundleStore
from earshot_asr.engines.pocketsphinx.decoding import make_decoder
from earshot_asr.engines.pocketsphinx.likeness import likeness, likeness_by_sounds
from support.engines import documents


@pytest.fixture
async def decoder(cache: Path) -> Any:
    """A decoder with the words of the skills."""
    return make_decoder((await BundleStore(cache).get(english(), documents("en-US"))).order)


def test_likeness_counts_words_in_order() -> None:
    """Readings are alike by the words that they share in order."""
    assert likeness(("play", "some", "jazz"), ("play", "some", "jazz")) == 1
    assert likeness(("play", "some", "jazz"), ("play", "jazz")) == pytest.approx(2 / 3)
    assert likeness((), ()) == 1
    assert likeness((), ("stop",)) == 0
    assert likeness(("a", "b"), ("b", "a")) == 0


async def test_words_that_sound_alike_are_alike(decoder: Any) -> None:
    """A vowel for a vowel, and a voiced consonant for its fellow, count half, whatever the words are."""
    # T AY M, D EY: a consonant and its fellow, two vowels, and one sound more.
    assert likeness_by_sounds(decoder, ("time",), ("day",)) == pytest.approx(1 - 2 / 3)
    # R EY N, R OW M: a vowel and a nasal.
    assert likeness_by_sounds(decoder, ("rain",), ("rome",)) == pytest.approx(1 - 1 / 3)
    assert likeness_by_sounds(decoder, ("play", "time"), ("play", "day")) > likeness(("play", "time"), ("play", "day"))


async def test_likeness_by_sounds_has_its_ends(decoder: Any) -> None:
    """The same words are wholly alike, also ones that nobody can say; nothing and something are not alike at all."""
    assert likeness_by_sounds(decoder, ("play", "jazz"), ("play", "jazz")) == 1
    assert likeness_by_sounds(decoder, ("no such word",), ("no such word",)) == 1
    assert likeness_by_sounds(decoder, (), ()) == 1
    assert likeness_by_sounds(decoder, (), ("play",)) == 0
    assert likeness_by_sounds(decoder, ("nosuchword",), ("play",)) == 0
