"""What one worker knows of who uses what, in time that is told."""

from __future__ import annotations

import pytest

from earshot_asr.quota import Books, Excess, Place, QuotaRules
from earshot_chassis.sampling import Seldom, TokenBucket
from earshot_dialogue.languages import Languages

RULES = QuotaRules(utterances=3, concurrent=2, bytes=100, spoken=1, window_s=60)


def begin(books: Books, turn: str, at: float, owner: str = "me", epoch: int = 1, start: int = 7) -> None:
    """Take an utterance of the household h."""
    books.began("h", turn, Place(at, owner), epoch, start, at)


def test_a_rate_is_used_up_until_the_window_is_over() -> None:
    """One more than the quota is too many; the next window is empty, and other households are not concerned."""
    books = Books(RULES)
    assert [books.over_rate("h", count, 60.0) for count in (1, 2, 3, 4)] == [False, False, False, True]
    assert books.used_up("h", 119.9) is Excess.UTTERANCES
    assert books.used_up("g", 119.9) is None
    assert books.used_up("h", 120.0) is None


def test_what_is_counted_here_begins_anew_with_each_window() -> None:
    """Without the counter on the bus, a worker's own numbers take its place."""
    books = Books(RULES)
    assert [books.count_turn("h", 60.0), books.count_turn("h", 61.0), books.count_turn("h", 120.0)] == [1, 2, 1]
    assert [books.count_refusal("h", 121.0), books.count_refusal("h", 121.0), books.count_refusal("h", 180.0)] == [
        1,
        2,
        1,
    ]


def test_of_those_at_once_the_first_are_let_in() -> None:
    """By when they began, whoever took them; one that ended leaves its place."""
    books = Books(RULES)
    for at, turn, owner in ((1.0, "a", "me"), (1.1, "b", "other"), (1.2, "c", "me")):
        begin(books, turn, at, owner)
    assert [books.crowded("h", turn, 1.3) for turn in ("a", "b", "c")] == [False, False, True]
    books.ended("h", "b", "other", 0, 2.0)
    assert not books.crowded("h", "c", 2.1)


def test_what_its_owner_never_ended_is_forgotten() -> None:
    """A worker that died does not hold a household's places for ever."""
    books = Books(RULES)
    begin(books, "a", 1.0, "dead")
    begin(books, "b", 1.0, "dead")
    begin(books, "c", 60.0)
    assert books.crowded("h", "c", 60.0)
    begin(books, "d", 95.0)
    assert not books.crowded("h", "d", 95.0)


def test_only_its_last_owner_ends_an_utterance() -> None:
    """A zombie's word does not free the place that another worker holds."""
    books = Books(RULES)
    begin(books, "a", 1.0, "zombie", epoch=1)
    begin(books, "a", 2.0, "heir", epoch=2)
    begin(books, "a", 2.5, "zombie", epoch=1)
    books.ended("h", "a", "zombie", 0, 3.0)
    begin(books, "b", 3.0)
    begin(books, "c", 3.1)
    assert books.crowded("h", "c", 3.2)
    books.ended("h", "a", "heir", 0, 4.0)
    assert not books.crowded("h", "c", 4.1)


def test_bytes_refuse_what_comes_next() -> None:
    """Bytes are known when an utterance ends; a hundred are all that this household has."""
    books = Books(RULES)
    begin(books, "a", 60.0)
    books.ended("h", "a", "me", 99, 61.0)
    assert books.used_up("h", 61.0) is None
    books.ended("h", "b", "other", 1, 62.0)
    assert books.used_up("h", 62.0) is Excess.BYTES
    assert books.used_up("h", 120.0) is None


def test_an_utterance_is_known_while_it_lasts_and_a_while_after() -> None:
    """So that a start that is sent again is not another utterance."""
    books = Books(RULES)
    assert books.start_of("h", "a", 1.0) is None
    begin(books, "a", 1.0)
    assert books.start_of("h", "a", 1.0) == 7
    books.ended("h", "a", "me", 0, 2.0)
    assert books.start_of("h", "a", 300.0) == 7
    assert books.start_of("g", "a", 300.0) is None


def test_who_takes_a_start_whose_count_was_lost_takes_it_over() -> None:
    """The later one of the same number has the place, and ends it; by another start nothing is taken over."""
    books = Books(RULES)
    begin(books, "a", 1.0, "dead")
    begin(books, "a", 2.0, "heir")
    begin(books, "a", 3.0, "other", start=8)
    assert books.start_of("h", "a", 3.0) == 7
    for owner in ("dead", "other"):
        books.ended("h", "a", owner, 0, 4.0)
    begin(books, "b", 5.0)
    begin(books, "c", 5.1)
    assert books.crowded("h", "c", 5.2)
    books.ended("h", "a", "heir", 0, 6.0)
    assert not books.crowded("h", "c", 6.1)


def test_refusals_are_spoken_so_often_and_then_hushed() -> None:
    """Once in a window, with these rules."""
    books = Books(RULES)
    assert [books.aloud("h", 1, 60.0), books.hushed("h", 60.0)] == [True, False]
    assert [books.aloud("h", 2, 61.0), books.hushed("h", 61.0)] == [False, True]
    assert not books.hushed("h", 120.0)


def test_no_limit_is_no_limit() -> None:
    """Zero switches a quota off."""
    books = Books(QuotaRules(utterances=0, concurrent=0, bytes=0))
    for number in range(1_000):
        begin(books, str(number), 1.0)
        assert not books.crowded("h", str(number), 1.0)
        books.ended("h", str(number), "me", 1 << 30, 1.0)
    assert not books.over_rate("h", 1_000_000, 1.0)
    assert books.used_up("h", 1.0) is None


def test_households_that_went_away_are_forgotten() -> None:
    """A worker's memory does not grow with everybody who ever spoke."""
    books = Books(RULES)
    for number in range(500):
        books.count_turn(f"h{number}", 60.0)
    books.count_turn("h", 400.0)
    assert len(books._households) == 1


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("code", ["quota_exceeded", "utterance_too_large", "overloaded"])
def test_a_refusal_has_words_of_its_own(locale: str, code: str) -> None:
    """In every locale."""
    language = Languages.load().find(locale)
    assert language is not None
    prompt = language.apology(code)
    assert (prompt.key, prompt.locale) == (f"assistant.apology.{code}", locale)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    """Three at once, and one every two seconds."""
    clock = Clock()
    bucket = TokenBucket(0.5, 3, clock)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    clock.now = 2.0
    assert [bucket.take(), bucket.take()] == [True, False]
    clock.now = 1_000.0
    assert sum(bucket.take() for _ in range(10)) == 3


@pytest.mark.parametrize(("at", "told"), [((0.0, 0.1, 0.9, 1.0), [1, 0, 0, 3]), ((0.0, 1.0, 2.5), [1, 1, 1])])
def test_what_happens_often_is_told_seldom(at: tuple[float, ...], told: list[int]) -> None:
    """Once in a second, with how often it was."""
    clock = Clock()
    seldom, heard = Seldom(1.0, clock), []
    for clock.now in at:
        heard.append(seldom.happened())
    assert heard == told
