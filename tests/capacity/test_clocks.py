"""What a process has used is known more finely than by ticks."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from earshot_cli.capacity.clocks import cpu_s

# It spins for 2 ms of its own CPU time, a fifth of a tick, whenever it is told to.
SPIN = """
import sys, time
print("ready", flush=True)
for _ in sys.stdin:
    until = time.process_time() + 0.002
    while time.process_time() < until:
        pass
    print("done", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells nanoseconds of another process")
def test_a_fifth_of_a_tick_is_seen() -> None:
    """Of another process each 2 ms count, though the kernel's ticks are 10 ms."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        for _ in range(3):
            before = cpu_s(psutil.Process(child.pid))
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
            assert 0.002 <= cpu_s(psutil.Process(child.pid)) - before < 0.01
        child.stdin.close()


def test_children_that_ended_count() -> None:
    """What a child had used is its parent's once it has ended."""
    me = psutil.Process(os.getpid())
    before, own = cpu_s(me), time.process_time()
    subprocess.run([sys.executable, "-S", "-c", "sum(range(10_000_000))"], check=True)
    assert cpu_s(me) - before > time.process_time() - own + 0.05
