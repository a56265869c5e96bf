"""An API server of our own for tests; README.md says what it does and what it does not."""

from __future__ import annotations

from support.kube.cluster import Cluster, cluster

__all__ = ["Cluster", "cluster"]
