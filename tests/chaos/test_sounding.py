"""Sound that was cut, doubled or silent in the middle is not heard as whole."""

from __future__ import annotations

import numpy as np
import pytest

from chaos import sounding
from chaos.sounding import CELL, Clip, Noise, Sentence, Silence, cells_of, listen, speak
from earshot_device.sound import tones

TEXT = "Heard alpha bravo."
SPOKEN = np.concatenate(list(speak(TEXT)))
COUNT = cells_of(TEXT)


def test_a_whole_sentence_is_heard_as_it_was_spoken():
    """Every part once, in order."""
    assert listen(SPOKEN) == [Sentence(TEXT, tuple(range(COUNT)), COUNT)]
    assert listen(SPOKEN)[0].whole


def test_the_same_sentence_twice_is_two_sentences():
    """A sentence that begins anew is another one."""
    assert listen(np.concatenate([SPOKEN, SPOKEN])) == listen(SPOKEN) * 2


@pytest.mark.parametrize(
    "cells",
    [range(1, COUNT), range(COUNT - 1), [*range(3), *range(2, COUNT)], [0, 2, 1, *range(3, COUNT)]],
    ids=["no beginning", "no end", "doubled", "reordered"],
)
def test_speech_out_of_order_is_not_whole(cells):
    """What is missing, doubled or out of place is seen."""
    parts = list(speak(TEXT))
    (sentence,) = listen(np.concatenate([parts[cell] for cell in cells]))
    assert sentence == Sentence(TEXT, tuple(cells), COUNT)
    assert not sentence.whole


def test_silence_in_the_middle_is_heard():
    """A gap that a device concealed does not pass as speech."""
    gap = SPOKEN.copy()
    gap[CELL * 3 : CELL * 5] = 0
    before, silence, after = listen(gap)
    assert (before.cells, silence, after.cells) == ((0, 1, 2), Silence(CELL * 2), tuple(range(5, COUNT)))


def test_one_wrong_sample_is_heard():
    """Every sample counts."""
    broken = SPOKEN.copy()
    broken[CELL + 300] += 1
    assert [type(sound) for sound in listen(broken)] == [Sentence, Noise, Sentence]


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_devices_own_apology_is_known_also_behind_silence(locale):
    """The clip is known by its samples."""
    clip = tones.apology(locale, sounding.RATE)
    clips = {"apology": clip}
    assert Clip("apology") in listen(clip, clips)
    assert Clip("apology") in listen(np.concatenate([np.zeros(100, np.int16), clip]), clips)
    assert not any(isinstance(sound, Noise) for sound in listen(clip, clips))


def test_what_nobody_knows_is_noise():
    """Nothing is guessed."""
    assert listen(np.full(700, 9, np.int16)) == [Noise(700)]
