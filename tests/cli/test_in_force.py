"""Of all the users that every start of a stack has made, those that somebody wants to see."""

from earshot_cli.in_force import in_force
from earshot_local.issued import Issued


def user(number: int, kind: str, name: str, expires: int = 0) -> Issued:
    """Return a user that was made at a time."""
    return Issued(kind=kind, name=name, key=f"U{number}", account="A", made=number, expires=expires)


def test_of_each_name_the_newest_that_is_let_in_is_shown_and_the_others_are_counted():
    """Starts before, revoked and expired ones are numbers; a name whose newest user was called back shows the one before it."""
    found = [
        (user(1, "service", "nlu"), False),
        (user(2, "service", "asr"), False),
        (user(3, "device", "home/kitchen"), False),
        (user(4, "service", "nlu"), False),
        (user(5, "service", "asr"), True),
        (user(6, "skill", "nlu", expires=90), False),
        (user(7, "skill", "clock", expires=110), False),
    ]
    told = in_force(found, now=100)
    assert [each.key for each in told.newest] == ["U2", "U3", "U4", "U7"]
    assert (told.older, told.ended) == (1, 2)


def test_nobody_is_nobody():
    """A folder in which no user was made has none to count."""
    told = in_force([], now=100)
    assert (told.newest, told.older, told.ended) == ((), 0, 0)
