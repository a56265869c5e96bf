from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot_device.core.directives import Directive, DirectiveLog, Pause, RingKind, Speak
from earshot_device.core.ids import DirectiveId
from earshot_device.core.ringbook import CAPACITY, Occurrence, RingBook
from earshot_device.decisions import Decisions

STEPS = st.lists(
    st.tuples(st.sampled_from(["ring", "stop", "dismiss", "told", "restart"]), st.sampled_from("abc")), max_size=40
)


def occurrence(name: str) -> Occurrence:
    """Return an occurrence with everything set."""
    return Occurrence(
        occurrence_id=name,
        label="eggs",
        announcement=Speak(text="the eggs", locale="en-US"),
        expire_at=5.5,
        kind=RingKind.TIMER,
        length_s=90.0,
        due_at=4.5,
    )


@given(steps=STEPS)
def test_what_was_stopped_never_rings_again(steps):
    """In any order of rings, stops, acknowledgements and restarts: stopped is for ever, and each stop is told once."""
    book, stopped, untold, rang = RingBook(), set(), [], []
    for step, name in steps:
        match step:
            case "ring":
                if book.ring(occurrence(name)):
                    assert name not in stopped
                    rang.append(name)
            case "stop" | "dismiss":
                if book.stop(name, tell=step == "dismiss") and step == "dismiss":
                    untold.append(name)
                stopped.add(name)
            case "told":
                assert book.told(name) == (name in untold)
                untold = [each for each in untold if each != name]
            case "restart":
                book = RingBook.of(json.loads(json.dumps(book.kept())))
        assert len(rang) == len(set(rang))
        assert [each.occurrence_id for each in book.ringing] == [each for each in rang if each not in stopped]
        assert list(book.untold) == untold
    assert all(each == occurrence(each.occurrence_id) for each in book.ringing)


def test_the_book_is_bounded():
    """Of stopped occurrences the newest are remembered; a Ring without words or limit is kept as one."""
    book = RingBook()
    for number in range(CAPACITY + 5):
        book.stop(f"o{number}", tell=True)
    assert len(book.kept()["stopped"]) == len(book.untold) == CAPACITY
    assert not book.ring(occurrence(f"o{CAPACITY}"))
    plain = Occurrence(occurrence_id="p")
    book.ring(plain)
    assert RingBook.of(json.loads(json.dumps(book.kept()))).ringing == (plain,)


def test_what_earlier_firmware_kept_is_read():
    """A book without what a ring is rings on all the same."""
    book = RingBook()
    book.ring(occurrence("a"))
    kept = book.kept()
    for added in ("kind", "length_s", "due_at"):
        del kept["ringing"][0][added]
    (found,) = RingBook.of(kept).ringing
    assert found == replace(occurrence("a"), kind=RingKind.UNSPECIFIED, length_s=None, due_at=None)


def test_rings_and_directives_outlive_a_restart(tmp_path):
    """What rings, what was stopped, what was not told and which directives were carried out are on disk at once."""
    path = tmp_path / "state.json"
    before = Decisions(path)
    assert before.ring(occurrence("a"))
    assert before.ring(occurrence("b"))
    assert before.stop_ring("b", tell=True)
    before.note_directive(Directive(directive_id=DirectiveId("ring.a"), command=None))
    after = Decisions(path)
    assert after.ringing == (occurrence("a"),)
    assert after.untold == ("b",)
    assert not after.ring(occurrence("b"))
    assert not after.ring(occurrence("a"))
    again = Directive(directive_id=DirectiveId("ring.a"), command=Pause())
    assert not DirectiveLog(seen=after.directives).admit(again)
    after.stop_told("b")
    assert Decisions(path).untold == ()


@pytest.mark.parametrize("rings", ["[]", '{"ringing": [3], "stopped": [], "untold": []}', "null"])
def test_a_state_file_with_broken_rings_is_taken_as_empty(tmp_path, rings):
    """What is no book of rings ends no device; a file of a device that knew no rings keeps its turns."""
    path = tmp_path / "state.json"
    path.write_text('{"turns": [["t", "o"]], "directive_revision": 3, "rings": ' + rings + "}")
    assert Decisions(path).directive_revision == 0
    path.write_text('{"turns": [["t", "o"]], "directive_revision": 3}')
    assert Decisions(path).directive_revision == 3
    assert Decisions(path).ringing == ()
