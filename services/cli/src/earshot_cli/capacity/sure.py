"""What a pod's CPU is, for those who count pods and for those who simulate them: what it requests, and no more.

There are no CPU limits, so that a pod is given what its node has idle beyond its request. When a burst comes, all pods of the
path are busy at once, and each is sure of its request alone. A promise that rests on more holds on some nodes and not on others:
what a pod gets beyond its request makes it faster, and nobody counts on it.
"""

from __future__ import annotations

# Of a pod that uses at rest all that it requests.
_LEAST = 1e-3


def sure_cores(requested: float, idle: float, at_once: int = 1) -> float:
    """Return the cores that a pod is sure of for its turns.

    Args:
        requested: CPU that it requests.
        idle: CPU that it uses when nobody speaks.
        at_once: Turns that it computes side by side: one process uses no more than one core.
    """
    return max(_LEAST, min(requested, float(at_once)) - idle)


def pods_by_cpu(cores: float, sure: float, busy: float) -> float:
    """Return the pods that some work takes, when a share of what each is sure of may be in use."""
    return cores / (sure * busy)
