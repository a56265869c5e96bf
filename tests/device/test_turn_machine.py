from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earshot_device.core.ids import OutcomeId, TurnId
from earshot_device.core.outcome import OutcomeKind, OutcomeSegment
from earshot_device.core.recognition import Endpoint, EndpointReason, Final, Interim, RecognitionUpdate
from earshot_device.core.turn import Phase, Turn, Verdict

T = TurnId("t")
ENDPOINT = Endpoint(end_of_speech_s=1.0, reason=EndpointReason.SILENCE)


def turn() -> Turn:
    """Return a turn that begins at 100 s."""
    return Turn(T, now=100.0, listen_limit_s=60.0, answer_limit_s=10.0)


def update(what, *, epoch=1, turn_id=T) -> RecognitionUpdate:
    """Return an update of the recogniser."""
    return RecognitionUpdate(turn_id=turn_id, owner_epoch=epoch, update=what)


def segment(outcome="o", index=0, *, final=True, turn_id=T) -> OutcomeSegment:
    """Return a segment of an outcome."""
    return OutcomeSegment(
        turn_id=turn_id, outcome_id=OutcomeId(outcome), kind=OutcomeKind.ANSWERED, segment_index=index, final=final
    )


def test_the_deadline_moves_to_the_end_of_speech():
    """It is armed for the longest utterance, and nearer once speech has ended; a bound turn has none."""
    one = turn()
    assert one.deadline == 170.0
    one.hear(update(ENDPOINT), now=103.0)
    assert one.phase is Phase.WAITING
    assert one.deadline == 113.0
    assert not one.expired(112.9)
    assert one.expired(113.0)
    one.decide(segment())
    assert one.deadline is None
    assert not one.expired(1000.0)


def test_a_second_endpoint_does_not_move_the_deadline():
    """A worker that took over endpoints again: its offset counts, the deadline stays."""
    one = turn()
    one.hear(update(ENDPOINT), now=103.0)
    one.hear(update(Endpoint(end_of_speech_s=2.0, reason=EndpointReason.SILENCE), epoch=2), now=108.0)
    assert one.deadline == 113.0
    assert one.endpoint.end_of_speech_s == 2.0


def test_the_first_endpoint_after_the_device_own_end_moves_the_deadline():
    """A file that has ended waits from there; when the cloud finds the endpoint later, it waits from then, once."""
    one = turn()
    one.stop_listening(104.0)
    assert one.deadline == 114.0
    one.hear(update(ENDPOINT), now=107.0)
    assert one.deadline == 117.0
    one.hear(update(ENDPOINT), now=109.0)
    assert one.deadline == 117.0


def test_segments_are_taken_in_order():
    """Segment 1 waits for segment 0; the outcome is complete when everything up to the final one is here."""
    one = turn()
    assert one.decide(segment(index=1)) is Verdict.ACCEPTED
    assert one.next_segment() is None
    assert not one.complete
    assert one.decide(segment(index=0, final=False)) is Verdict.ACCEPTED
    assert one.decide(segment(index=0, final=False)) is Verdict.DUPLICATE
    assert one.complete
    assert [one.next_segment().segment_index, one.next_segment().segment_index] == [0, 1]
    assert one.next_segment() is None


def test_a_closed_turn_takes_nothing():
    """After the turn was abandoned neither outcome nor transcript changes it."""
    one = turn()
    assert one.close()
    assert not one.close()
    assert one.decide(segment()) is Verdict.LATE
    assert one.hear(update(Final(transcript="x", confidence=1.0)), now=101.0) is Verdict.LATE
    assert one.outcome_id is None
    assert one.final is None


_updates = st.builds(
    update,
    st.sampled_from([None, ENDPOINT, Interim(transcript="a", stability=0.1), Final(transcript="b", confidence=0.5)]),
    epoch=st.integers(0, 4),
    turn_id=st.sampled_from([T, TurnId("other")]),
)
_segments = st.builds(
    segment,
    st.sampled_from(["o1", "o2", "o3"]),
    st.integers(0, 3),
    final=st.booleans(),
    turn_id=st.sampled_from([T, T, TurnId("other")]),
)


@given(st.lists(st.one_of(_updates, _segments, st.just("close"), st.just("take")), max_size=40))
def test_whatever_comes_one_outcome_binds_and_epochs_never_fall(inputs):
    """In any order of messages at most one outcome is carried out, in order, and fenced updates leave no trace."""
    one, now, taken, seen = turn(), 100.0, [], set()
    for what in inputs:
        now += 1.0
        epoch = one.epoch
        bound = one.outcome_id
        closed = one.phase is Phase.CLOSED
        if what == "close":
            one.close()
        elif what == "take":
            piece = one.next_segment()
            if piece is not None:
                taken.append(piece.segment_index)
                seen.add(piece.outcome_id)
        elif isinstance(what, OutcomeSegment):
            verdict = one.decide(what)
            assert (verdict is Verdict.ACCEPTED) <= (not closed and what.turn_id == T)
        else:
            verdict = one.hear(what, now)
            assert (verdict is Verdict.STALE) == (what.turn_id == T and what.owner_epoch < epoch)
        assert one.epoch >= epoch
        assert bound is None or one.outcome_id == bound
        assert not closed or (one.phase is Phase.CLOSED and one.outcome_id == bound)
        assert one.deadline is None or one.phase in {Phase.LISTENING, Phase.WAITING}
    assert taken == list(range(len(taken)))
    assert len(seen) <= 1
