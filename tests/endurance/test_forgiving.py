"""A frame of silence is forgiven where a connection was hung up, and nowhere else."""

from __future__ import annotations

from chaos.checker import Verdict
from chaos.records import Expectation, Turn
from endurance.living import Life, count


def turn(number: int, note: str) -> Turn:
    """Return a turn of which a device says something."""
    return Turn(
        device="speaker00",
        turn_id=f"turn{number}",
        said="say",
        expected=Expectation(answer=("said",)),
        began_at=0.0,
        spoken_at=1.0,
        sounded_at=2.0,
        ended_at=3.0,
        sounds=(),
        note=note,
    )


def test_as_many_are_forgiven_as_were_hung_up_on() -> None:
    """Of three answers with a concealed frame, two are forgiven after two hang-ups, and the third is wrong."""
    life = Life()
    count(life, [(turn(number, "concealed=1"), Verdict.WRONG) for number in range(3)], kicked=2)
    assert (life.turns, life.concealed, len(life.wrong)) == (3, 2, 1)
    assert "turn2" in life.wrong[0]
    assert not life.passed


def test_hang_ups_of_one_round_forgive_nothing_in_the_next() -> None:
    """What was not needed in a round is not kept for another one."""
    life = Life()
    count(life, [(turn(1, ""), Verdict.ANSWERED)], kicked=4)
    count(life, [(turn(2, "concealed=1"), Verdict.WRONG)], kicked=0)
    assert (life.turns, life.concealed, len(life.wrong)) == (2, 0, 1)


def test_only_wrong_sounds_with_a_concealed_frame_are_forgiven() -> None:
    """A wrong answer without one, and a device that apologised with one, are wrong whatever was hung up."""
    life = Life()
    judged = [(turn(1, "answered"), Verdict.WRONG), (turn(2, "concealed=9"), Verdict.APOLOGISED)]
    count(life, judged, kicked=4)
    assert (life.turns, life.concealed, len(life.wrong)) == (2, 0, 2)
