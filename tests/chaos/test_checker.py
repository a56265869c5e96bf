"""The checker finds every defect that it is there for, each in a recording that is right but for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.checker import Verdict, Words, judge, verdict_of
from chaos.records import Effect, Expectation, Guarantee, Inflicted, Turn
from chaos.sounding import Clip, Noise, Sentence, Silence

SORRY = ("Sorry, that took too long.",)
UNKNOWN = ("Sorry, I can't tell.", "Please check.")
WORDS = Words(apologies=[SORRY, UNKNOWN], unknown=[UNKNOWN])


def said(*texts: str) -> tuple[Sentence, ...]:
    """Return whole sentences."""
    return tuple(Sentence(text, (0, 1, 2), 3) for text in texts)


def turn(*sounds, expected=("I heard alpha.", "Nothing else."), **fields) -> Turn:
    """Return a turn that heard these sounds."""
    values = {
        "device": "speaker1",
        "turn_id": "t",
        "said": "echo {digest}",
        "expected": Expectation(answer=expected),
        "began_at": 10.0,
        "spoken_at": 11.5,
        "sounded_at": 12.0,
        "ended_at": 15.0,
        "sounds": sounds,
    }
    return Turn(**(values | fields))


RIGHT = said("I heard alpha.", "Nothing else.")
CUT = (Sentence("I heard alpha.", (0, 2), 3), *said("Nothing else."))
REPEATED = (Sentence("I heard alpha.", (0, 1, 1, 2), 3), *said("Nothing else."))


@pytest.mark.parametrize(
    ("sounds", "verdict"),
    [
        (RIGHT, Verdict.ANSWERED),
        ((Silence(9), *RIGHT, Silence(9)), Verdict.ANSWERED),
        ((), Verdict.SILENT),
        ((Silence(640),), Verdict.SILENT),
        (said("I heard bravo.", "Nothing else."), Verdict.WRONG),
        (said("I heard alpha."), Verdict.WRONG),
        (CUT, Verdict.WRONG),
        (REPEATED, Verdict.WRONG),
        ((RIGHT[0], Silence(640), RIGHT[1]), Verdict.WRONG),
        ((Noise(5),), Verdict.WRONG),
        (said(*SORRY), Verdict.APOLOGISED),
        ((Silence(3), Clip("apology"), Silence(3)), Verdict.APOLOGISED),
        (said(*UNKNOWN), Verdict.APOLOGISED),
        (RIGHT * 2, Verdict.TWO_SOUNDS),
        ((*RIGHT, Silence(9), Clip("apology")), Verdict.TWO_SOUNDS),
        ((*said(*SORRY), *RIGHT), Verdict.TWO_SOUNDS),
        ((*said(*SORRY), Clip("apology")), Verdict.TWO_SOUNDS),
        ((*CUT, *said(*SORRY)), Verdict.TWO_SOUNDS),
    ],
)
def test_a_turn_is_judged_by_its_sounds(sounds, verdict):
    """One thing is due for each turn, whole and right."""
    assert verdict_of(turn(*sounds), WORDS) is verdict


def test_a_turn_that_never_ends_is_lost_whatever_was_heard():
    """A device that never gets out of a turn has lost it."""
    assert verdict_of(turn(*RIGHT, ended_at=None), WORDS) is Verdict.LOST


@pytest.mark.parametrize(
    ("recorded", "what"),
    [
        (turn(), "silent"),
        (turn(*RIGHT, ended_at=None), "lost"),
        (turn(*RIGHT, *RIGHT), "two sounds"),
        (turn(*said("I heard bravo.")), "wrong"),
    ],
)
def test_each_offence_is_told_with_its_turn(recorded, what):
    """Whoever reads the verdict can find the turn."""
    judgement = judge([turn(*RIGHT), recorded], [], [], WORDS)
    assert [(offence.turn, offence.what) for offence in judgement.offences] == [(recorded, what)]


def test_a_run_without_a_fault_in_it_passes():
    """The checker does not invent offences."""
    judgement = judge([turn(*RIGHT)] * 3, [], [], WORDS)
    assert not judgement.offences
    assert (judgement.count(Verdict.ANSWERED), judgement.worst_s) == (3, 0.5)


def fault(*, forgives: bool = False, began_at: float = 9.0, stage: str = "asr", kind: str = "kill") -> Inflicted:
    """Return a fault around the turn."""
    return Inflicted(
        kind=kind, stage=stage, target=f"{stage}-0", forgives=forgives, began_at=began_at, recovered_at=began_at + 2
    )


@pytest.mark.parametrize(
    ("faults", "forgiven"),
    [
        ([], False),
        ([fault(forgives=False)], False),
        ([fault(forgives=True)], True),
        ([fault(forgives=True, began_at=20.0)], False),
        ([fault(forgives=True, began_at=-40.0)], False),
    ],
)
def test_an_apology_is_forgiven_only_where_more_than_one_process_was_gone(faults, forgiven):
    """No single process may cost an answer."""
    recorded = [turn(*RIGHT)] * 200 + [turn(*said(*SORRY))]
    assert (not judge(recorded, [], faults, WORDS).offences) is forgiven


@pytest.mark.parametrize(("began_at", "forgiven"), [(8.1, True), (14.9, True), (7.9, False), (15.1, False)])
def test_a_partition_forgives_until_all_nodes_are_one_again(began_at, forgiven):
    """Whoever speaks afterwards is answered, and so is who was answered before."""
    recorded = [turn(*RIGHT)] * 200 + [turn(*said(*SORRY))]
    parted = fault(forgives=True, began_at=began_at, stage="bus", kind="partition")
    assert (not judge(recorded[200:] + recorded[:200], [], [parted], WORDS).offences) is forgiven


def test_more_than_one_apology_in_a_hundred_is_too_many():
    """Not even when several processes were gone."""
    recorded = [turn(*RIGHT)] * 98 + [turn(*said(*SORRY))] * 2
    (offence,) = judge(recorded, [], [fault(forgives=True)], WORDS).offences
    assert offence.what == "2 of 100 turns were apologised for"


def effectful(guarantee: Guarantee, *sounds) -> Turn:
    """Return a turn that wants an effect."""
    return replace(turn(*sounds), expected=Expectation(answer=("Done.",), effect="k", guarantee=guarantee))


DONE = said("Done.")


@pytest.mark.parametrize(
    ("guarantee", "sounds", "count", "missing", "doubled"),
    [
        (Guarantee.EXACTLY_ONCE, DONE, 1, 0, 0),
        (Guarantee.EXACTLY_ONCE, DONE, 0, 1, 0),
        (Guarantee.EXACTLY_ONCE, DONE, 2, 0, 1),
        (Guarantee.AT_MOST_ONCE, DONE, 0, 1, 0),
        (Guarantee.AT_MOST_ONCE, DONE, 2, 0, 1),
        (Guarantee.AT_MOST_ONCE, said(*UNKNOWN), 0, 0, 0),
        (Guarantee.AT_MOST_ONCE, said(*UNKNOWN), 1, 0, 0),
        (Guarantee.AT_MOST_ONCE, said(*UNKNOWN), 2, 0, 1),
        (Guarantee.AT_LEAST_ONCE, DONE, 3, 0, 0),
        (Guarantee.AT_LEAST_ONCE, DONE, 0, 1, 0),
    ],
)
def test_effects_are_counted_against_what_their_skill_promises(guarantee, sounds, count, missing, doubled):
    """Missing and doubled are what the promise rules out."""
    effects = [Effect(key="k", at=12.0)] * count
    judgement = judge([effectful(guarantee, *sounds)], effects, [fault(stage="lamp")], WORDS)
    assert (judgement.effects_missing, judgement.effects_doubled) == (missing, doubled)
    assert bool(judgement.offences) is bool(missing + doubled)


def test_nobody_may_be_told_that_nobody_knows_where_nothing_happened():
    """A skill that always says so passes no run."""
    honest = effectful(Guarantee.AT_MOST_ONCE, *said(*UNKNOWN))
    for faults in ([], [fault(stage="lamp", began_at=-40.0)]):
        assert honest in [offence.turn for offence in judge([honest], [], faults, WORDS).offences]


@pytest.mark.parametrize(
    ("stage", "began_at", "excused"),
    [
        ("lamp", 9.0, True),
        ("dialogue", 9.0, True),
        ("bus", 14.0, True),
        *((stage, 9.0, False) for stage in ("asr", "nlu", "tts", "echo", "list", "counter", "scheduler", "device")),
        ("lamp", 7.9, False),
        ("lamp", 15.1, False),
    ],
)
def test_nobody_may_be_told_that_nobody_knows_unless_something_was_done_to_the_call_meanwhile(stage, began_at, excused):
    """The lamp, dialogue and the bus make the call; nothing else can leave it open, nor can what is over."""
    honest = effectful(Guarantee.AT_MOST_ONCE, *said(*UNKNOWN))
    faults = [fault(stage=stage, began_at=began_at), fault(stage="lamp", began_at=-40.0)]
    told = [offence.turn for offence in judge([honest], [], faults, WORDS).offences]
    assert told == ([] if excused else [honest])


def test_a_lamp_that_never_knows_fails_under_whatever_faults():
    """Not under those of other stages, and not by one of its own for all turns."""
    unknown = [replace(effectful(Guarantee.AT_MOST_ONCE, *said(*UNKNOWN)), turn_id=str(n)) for n in range(50)]
    others = [fault(stage=stage) for stage in ("asr", "nlu", "tts", "echo", "device")] * 20
    told = [offence.turn for offence in judge(unknown, [], others, WORDS).offences]
    assert told == [*unknown, None]
    (offence,) = judge(unknown, [], [*others, *[fault(stage="lamp")] * 49], WORDS).offences
    assert offence.what == "50 told that nobody knows, and 49 faults of a call"
    assert not judge(unknown, [], [fault(stage="lamp")] * 50, WORDS).offences


def test_an_unknown_effect_may_be_told_only_where_it_happens_at_most_once():
    """Elsewhere it is an apology."""
    assert verdict_of(effectful(Guarantee.AT_MOST_ONCE, *said(*UNKNOWN)), WORDS) is Verdict.UNKNOWN
    assert verdict_of(effectful(Guarantee.EXACTLY_ONCE, *said(*UNKNOWN)), WORDS) is Verdict.APOLOGISED


def test_an_effect_that_nobody_wanted_is_told():
    """An effect of no turn is of a garbled one."""
    (offence,) = judge([turn(*RIGHT)], [Effect(key="ghost", at=1.0)], [], WORDS).offences
    assert "ghost" in offence.what
