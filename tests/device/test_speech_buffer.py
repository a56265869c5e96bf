from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from earshot_device.core.ids import OutcomeId, TurnId
from earshot_device.core.mending import OPEN_END, Mender, MendTimings
from earshot_device.core.outcome import SpeechFrame
from earshot_device.core.speech_buffer import MAXIMUM_AHEAD, Added, Gap, SpeechBuffer

O = OutcomeId("o")  # noqa: E741 - an outcome


def frame(sequence, *, epoch=1, segment=0, last=False, outcome=O, payload=b"") -> SpeechFrame:
    """Return a frame of 40 ms."""
    return SpeechFrame(
        turn_id=TurnId("t"),
        outcome_id=outcome,
        segment_index=segment,
        sequence=sequence,
        owner_epoch=epoch,
        payload=payload,
        format=None,
        last=last,
        duration_s=0.04,
    )


def filled(*sequences, end=None) -> SpeechBuffer:
    """Return a buffer that holds frames; `end` is the last one."""
    buffer = SpeechBuffer(O)
    for sequence in sequences:
        buffer.add(frame(sequence, last=sequence == end))
    return buffer


def test_gaps_are_told_lowest_first():
    """Everything missing below the highest frame is a gap; what may follow is not."""
    assert list(filled(2, 3, 7).gaps()) == [Gap(0, 2), Gap(4, 7)]
    assert list(filled(0, 1).gaps()) == []


def test_frames_of_another_outcome_are_foreign():
    """An outcome that the turn is not bound to is not heard."""
    assert SpeechBuffer(O).add(frame(0, outcome=OutcomeId("x"))) is Added.FOREIGN


def test_a_takeover_replaces_what_the_old_worker_sent_ahead():
    """The new worker's frames win from where it began; before that the old worker's stay, also when backfilled."""
    buffer = SpeechBuffer(O)
    for sequence in (0, 1, 3, 4, 5):
        assert buffer.add(frame(sequence, epoch=1, payload=b"old")) is Added.NEW
    assert buffer.add(frame(4, epoch=2, payload=b"new")) is Added.NEW
    assert buffer.add(frame(5, epoch=1, payload=b"old")) is Added.STALE
    assert buffer.add(frame(2, epoch=1, payload=b"old")) is Added.NEW
    assert buffer.add(frame(5, epoch=2, payload=b"new")) is Added.NEW
    assert [buffer.take().payload for _ in range(6)] == [b"old"] * 4 + [b"new"] * 2


def test_a_takeover_moves_the_end():
    """The old worker's end is forgotten with its frames: the new one may end elsewhere."""
    buffer = filled(0, 1, 2, end=2)
    buffer.add(frame(1, epoch=2))
    assert not buffer.ends
    buffer.add(frame(3, epoch=2, last=True))
    buffer.add(frame(2, epoch=2))
    assert buffer.complete


def test_epochs_of_one_segment_say_nothing_about_another():
    """After a takeover in segment 0 the first delivery of segment 1 is heard, live or backfilled, to the last frame."""
    buffer = SpeechBuffer(O)
    for sequence in range(3):
        assert buffer.add(frame(sequence, epoch=1)) is Added.NEW
    for sequence in range(3, 6):
        assert buffer.add(frame(sequence, epoch=2)) is Added.NEW
    assert buffer.add(frame(5, epoch=1)) is Added.STALE
    for sequence in (6, 8):
        assert buffer.add(frame(sequence, segment=1, epoch=1, last=sequence == 8)) is Added.NEW
    assert list(buffer.gaps()) == [Gap(6 + 1, 8)]
    assert buffer.add(frame(7, segment=1, epoch=1)) is Added.NEW
    assert buffer.complete


def test_a_takeover_of_a_segment_leaves_the_next_one_and_its_end():
    """What came of segment 1 ahead of a takeover in segment 0 stays, and so does where it ends."""
    buffer = SpeechBuffer(O)
    for sequence in range(2):
        buffer.add(frame(sequence, epoch=1))
    buffer.add(frame(2, segment=1, epoch=1, last=True))
    assert buffer.add(frame(1, epoch=2, payload=b"new")) is Added.NEW
    assert buffer.complete
    assert [(taken.segment_index, taken.owner_epoch) for taken in (buffer.take(), buffer.take(), buffer.take())] == [
        (0, 1),
        (0, 2),
        (1, 1),
    ]


def test_an_epoch_whose_first_frames_are_reordered_begins_at_the_lowest():
    """The old worker's frames go from where the new one really began, not from the first of its frames to arrive."""
    buffer = filled(0, 1, 2, 3)
    buffer.add(frame(3, epoch=2))
    buffer.add(frame(1, epoch=2))
    assert list(buffer.gaps()) == [Gap(2, 3)]
    assert buffer.add(frame(2, epoch=1)) is Added.STALE


def test_a_segment_that_has_ended_says_nothing_in_the_next():
    """A worker that wakes in segment 0 when segment 1 has begun takes no place of it, whatever the epochs."""
    buffer = filled(0, 1)
    assert buffer.add(frame(2, segment=1, epoch=1)) is Added.NEW
    assert buffer.add(frame(3, segment=0, epoch=3)) is Added.STALE
    assert buffer.add(frame(2, segment=0, epoch=3)) is Added.STALE


def test_frames_beyond_reason_are_refused():
    """A sequence far ahead, or behind the end, does not grow the buffer."""
    assert SpeechBuffer(O).add(frame(MAXIMUM_AHEAD)) is Added.OUT_OF_RANGE
    assert filled(0, 1, end=1).add(frame(2)) is Added.OUT_OF_RANGE


@given(
    count=st.integers(1, 30),
    data=st.data(),
)
def test_any_order_with_repeats_plays_in_order(count, data):
    """However frames are shuffled and repeated, each is played once, in order, to the last."""
    order = data.draw(st.lists(st.integers(0, count - 1), max_size=60)) + data.draw(st.permutations(range(count)))
    buffer, played = SpeechBuffer(O), []
    for sequence in order:
        buffer.add(frame(sequence, last=sequence == count - 1))
        while data.draw(st.booleans()) and buffer.peek() is not None:
            played.append(buffer.take().sequence)
    while buffer.peek() is not None:
        played.append(buffer.take().sequence)
    assert played == list(range(count))
    assert buffer.finished
    assert buffer.received_count == count


@given(st.sets(st.integers(0, 40)), st.integers(0, 40))
def test_concealing_always_gets_on(present, end):
    """With any frames missing, taking what is there and concealing the rest reaches the end."""
    buffer = SpeechBuffer(O)
    for sequence in sorted({n for n in present if n < end} | {end}):
        buffer.add(frame(sequence, last=sequence == end))
    while not buffer.finished:
        if buffer.peek() is not None:
            buffer.take()
        else:
            buffer.conceal()
    assert buffer.head == end + 1
    assert buffer.concealed_count + buffer.received_count == end + 1


TIMINGS = MendTimings(gap_grace_s=0.06, tail_grace_s=0.7, retry_s=0.3, retry_limit_s=2.0)


def asked(mender, moments) -> list[tuple[float, Gap]]:
    """Return what is asked for at which moment."""
    return [(now, wanted) for now in moments if (wanted := mender.next_request(now)) is not None]


def test_a_gap_is_asked_for_after_a_grace_and_less_and_less_often():
    """A gap that may still close by itself is not asked for; an open one is, at growing intervals."""
    mender = Mender(filled(0, 1, 4), TIMINGS, now=0.0)
    moments = [n / 100 for n in range(300)]
    times = [now for now, wanted in asked(mender, moments) if wanted == Gap(2, 4)]
    assert times[0] == 0.06
    intervals = [round(later - earlier, 2) for earlier, later in pairwise(times)]
    assert intervals == [0.3, 0.6, 1.2]


def test_a_gap_that_closes_is_not_asked_for():
    """Reordered frames cost no request."""
    buffer = filled(0, 2)
    mender = Mender(buffer, TIMINGS, now=0.0)
    assert asked(mender, [0.0, 0.05]) == []
    buffer.add(frame(1))
    assert asked(mender, [0.07, 0.3]) == []


def test_silence_makes_it_ask_for_the_end():
    """When frames stop coming before the last one, everything behind is asked for; not after the last one."""
    buffer = filled(0, 1)
    mender = Mender(buffer, TIMINGS, now=0.0)
    assert asked(mender, [0.1, 0.69]) == []
    assert mender.next_request(0.71) == Gap(2, OPEN_END)
    buffer.add(frame(2, last=True))
    assert asked(mender, [0.8, 2.0, 9.0]) == []
