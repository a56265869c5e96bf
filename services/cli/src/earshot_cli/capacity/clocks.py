"""The CPU time of other processes, finer than the kernel's ticks."""

from __future__ import annotations

import time

import psutil

# clock_getcpuclockid(3), which Python has for threads alone: the complement of a process id, and what kind of clock.
_SHIFT, _SCHEDULED = 3, 2


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU time of a process and of its children that have ended.

    A tick is 10 ms: what a service takes at rest for some seconds are a few of them, and what it takes for a timer is one. Linux
    tells nanoseconds of a process that lives; of children that have ended, and elsewhere, ticks have to do.

    Raises:
        psutil.NoSuchProcess: It has ended.
    """
    times = process.cpu_times()
    try:
        own = time.clock_gettime((~process.pid << _SHIFT) | _SCHEDULED)
    except OSError:
        own = times.user + times.system
    return own + times.children_user + times.children_system
