from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earshot_device.core.capture import CaptureRing


def test_frames_are_numbered_from_zero():
    """The first frame is 0, then one more each, also after the ring was cleared."""
    ring = CaptureRing()
    assert [ring.append(b"x").sequence for _ in range(3)] == [0, 1, 2]
    ring.clear()
    assert ring.append(b"x").sequence == 3
    assert ring.first_sequence == 3


def test_an_acknowledgement_never_goes_back():
    """A late acknowledgement of fewer frames changes nothing, nor does one of frames that were never sent."""
    ring = CaptureRing()
    for _ in range(10):
        ring.append(b"x")
    ring.acknowledge(6)
    ring.acknowledge(2)
    assert ring.acknowledged == 6
    ring.acknowledge(99)
    assert ring.acknowledged == 10


@given(
    sizes=st.lists(st.integers(0, 400), max_size=80),
    capacity=st.integers(1, 2000),
    acknowledged=st.integers(0, 80),
    wanted=st.integers(0, 100),
)
def test_the_ring_holds_the_newest_frames_without_a_gap(sizes, capacity, acknowledged, wanted):
    """Whatever goes in: what is left is the newest frames in order, within the capacity, and the rest is counted."""
    ring = CaptureRing(capacity)
    for size in sizes:
        ring.append(b"x" * size)
        ring.acknowledge(acknowledged)
    held = [frame.sequence for frame in ring.since(0)]
    assert held == list(range(ring.first_sequence, len(sizes)))
    assert ring.size_bytes == sum(sizes[ring.first_sequence :])
    assert ring.size_bytes <= capacity or len(held) == 1
    assert [frame.sequence for frame in ring.since(wanted)] == [n for n in held if n >= wanted]
    assert ring.lost_count <= ring.first_sequence


def test_what_was_acknowledged_is_not_lost():
    """Frames that give way count as lost only if the cloud did not have them."""
    ring = CaptureRing(10)
    for _ in range(10):
        ring.append(b"x")
    ring.acknowledge(4)
    for _ in range(6):
        ring.append(b"x")
    assert ring.first_sequence == 6
    assert ring.lost_count == 2
