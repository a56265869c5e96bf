"""Frames in the order in which they were spoken, whatever happens to them on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earshot_asr.assembly import Assembler, Frame
from earshot_asr.limits import Limits


def frame(sequence: int) -> bytes:
    """Return a payload that tells its sequence."""
    return sequence.to_bytes(4, "little")


@given(st.integers(1, 60), st.data())
def test_any_order_and_any_repetition_gives_the_same_audio(count: int, data: st.DataObject) -> None:
    """Frames that come shuffled and more than once are handed out once each, in order."""
    arrivals = data.draw(st.permutations(list(range(count)) * 2))
    assembler = Assembler()
    taken: list[Frame] = []
    for sequence in arrivals:
        assembler.add(sequence, frame(sequence), last=sequence == count - 1)
        if data.draw(st.booleans()):
            taken += assembler.take()
    taken += assembler.take()
    assert taken == [frame(sequence) for sequence in range(count)]
    assert assembler.is_complete
    assert not assembler.has_gap


@given(st.sets(st.integers(0, 80)), st.integers(81, 90))
def test_the_first_missing_frame_is_known(present: set[int], last: int) -> None:
    """next_sequence is the first frame that is missing, and nothing behind it is handed out."""
    assembler = Assembler()
    for sequence in present:
        assembler.add(sequence, frame(sequence))
    missing = next(sequence for sequence in range(last) if sequence not in present)
    assert assembler.next_sequence == missing
    assert assembler.take() == [frame(sequence) for sequence in range(missing)]
    assert assembler.has_gap is any(sequence > missing for sequence in present)


@given(st.sets(st.integers(0, 200), min_size=1))
def test_given_up_gaps_become_silence(present: set[int]) -> None:
    """After gaps are given up, every place up to the last frame is taken: by its frame or by silence."""
    assembler = Assembler()
    for sequence in present:
        assembler.add(sequence, frame(sequence), last=sequence == max(present))
    while assembler.has_gap:
        assembler.give_up_gap()
    assert assembler.take() == [frame(n) if n in present else None for n in range(max(present) + 1)]
    assert assembler.is_complete
    assert assembler.concealed == max(present) + 1 - len(present)


def test_add_tells_when_there_is_more_to_take() -> None:
    """A frame behind a gap adds nothing yet; the one that closes it does."""
    assembler = Assembler()
    assert not assembler.add(1, frame(1))
    assert not assembler.is_ready
    assert assembler.add(0, frame(0))
    assert assembler.take() == [frame(0), frame(1)]
    assert not assembler.add(0, frame(0))


def test_frames_behind_the_last_one_are_ignored() -> None:
    """Once the device has said which frame is its last, later ones do not exist."""
    assembler = Assembler()
    assembler.add(3, frame(3))
    assembler.add(1, frame(1), last=True)
    assembler.add(2, frame(2))
    assembler.add(0, frame(0))
    assert assembler.take() == [frame(0), frame(1)]
    assert assembler.is_complete
    assert not assembler.has_gap


def test_nothing_to_give_up() -> None:
    """Without a gap there is nothing to give up."""
    assembler = Assembler()
    assembler.add(0, frame(0))
    assert assembler.give_up_gap() == 0
    assert assembler.concealed == 0


def test_limits_hold() -> None:
    """A frame that is too large, too far ahead or too much is dropped and counted; what was dropped can come again."""
    assembler = Assembler(Limits(frame_bytes=8, waiting_frames=2, waiting_bytes=20, frames=100))
    assembler.add(0, b"123456789")
    assembler.add(100, b"1")
    for sequence in (1, 2, 3):
        assembler.add(sequence, b"1234")
    assert assembler.refused == 3
    assembler.add(0, b"1234")
    assert assembler.take() == [b"1234"] * 3
    assert assembler.add(3, b"1234")


def test_bytes_that_wait_are_bounded() -> None:
    """A recogniser that does not take its frames makes the worker hold no more than the limit."""
    assembler = Assembler(Limits(waiting_bytes=10))
    added = [assembler.add(sequence, b"1234") for sequence in range(4)]
    assert added == [True, True, False, False]
    assembler.take()
    assert assembler.add(2, b"1234")
