"""A trace as a waterfall."""

from earshot_cli.waterfall import bar, length_ms, rows


def span(number, parent, start_ms, end_ms, **changed):
    """Return a span as the trace store's API gives it."""
    known = {
        "span_id": number,
        "parent_span_id": parent,
        "name": number,
        "service": "earshot-nlu",
        "start_ns": 10**18 + start_ms * 1_000_000,
        "end_ns": 10**18 + end_ms * 1_000_000,
        "status": "unset",
        "status_message": "",
    }
    return known | changed


def test_spans_stand_below_their_parents_in_the_order_of_their_starts():
    """Siblings by start, children right after their parent, depth counted."""
    found = rows(
        [
            span("late", "root", 50, 60),
            span("grand", "early", 20, 30),
            span("early", "root", 10, 40),
            span("root", "", 0, 100),
        ]
    )
    assert [(row.name, row.depth) for row in found] == [("root", 0), ("early", 1), ("grand", 2), ("late", 1)]
    assert found[1].offset_ms == 10
    assert found[1].duration_ms == 30
    assert found[0].service == "nlu"


def test_a_span_without_its_parent_stands_at_the_top():
    """A lost span hides nothing that lay below it."""
    found = rows([span("orphan", "missing", 5, 6), span("child", "orphan", 5, 6)])
    assert [(row.name, row.depth) for row in found] == [("orphan", 0), ("child", 1)]
    assert rows([]) == []


def test_a_bar_shows_when_and_how_long():
    """Its place and length are in proportion, and even the shortest span is visible, also at the very end."""
    root, half, dot = rows([span("root", "", 0, 100), span("half", "root", 50, 100), span("dot", "root", 100, 100)])
    assert bar(root, 100, 10) == "█" * 10
    assert bar(half, 100, 10) == " " * 5 + "█" * 5
    assert bar(dot, 100, 10).strip()
    assert len(bar(dot, 100, 10)) <= 10


def test_an_error_without_words_is_still_an_error():
    """A failed span always says that it failed."""
    assert rows([span("a", "", 0, 1, status="error")])[0].failed == "error"


def test_what_comes_after_the_turn_does_not_squeeze_it():
    """An obsolete deadline seconds later is told in words; what outlasts the root belongs to the picture."""
    found = rows([span("root", "", 0, 100), span("outlasting", "root", 90, 120), span("deadline", "root", 8000, 8001)])
    assert length_ms(found) == 120
    assert bar(found[2], 120, 20).strip() == "at 8000 ms"
    assert length_ms([]) == 0
