"""What rings, in words."""

from datetime import UTC

import pytest

from earshot_cli.rings import told
from earshot_device.core.directives import RingKind
from earshot_device.core.ringbook import Occurrence


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"kind": RingKind.TIMER, "length_s": 10.0, "label": "pasta"}, "timer, 10 seconds, “pasta”"),
        ({"kind": RingKind.TIMER, "length_s": 3661.0}, "timer, 1 hour 1 minute 1 second"),
        ({"kind": RingKind.ALARM, "due_at": 0.0}, "alarm, due 00:00:00"),
        ({"kind": RingKind.REMINDER, "label": "call [mum]"}, "reminder, “call [mum]”"),
        ({"label": "eggs"}, "something, “eggs”"),
        ({}, "something"),
    ],
)
def test_a_ring_is_told_as_its_user_knows_it(known, words, monkeypatch):
    """By kind, length, name and time, as far as they are known; never by its id."""
    monkeypatch.setattr("earshot_cli.rings._ZONE", UTC)
    assert told(Occurrence(occurrence_id="0199-44.1.1732000000", **known)) == words
