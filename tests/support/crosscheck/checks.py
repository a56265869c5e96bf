"""All checks of what a cluster is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from support.crosscheck import (
    addresses,
    amounts,
    collector,
    enumerations,
    gateways,
    kept,
    paths,
    probing,
    scraping,
    variables,
    workloads,
)
from support.crosscheck.cluster import Cluster

CHECKS: Final[tuple[Callable[[Cluster], Iterator[str]], ...]] = (
    variables.check,
    paths.check,
    probing.check,
    amounts.check,
    addresses.check,
    collector.check,
    gateways.check,
    scraping.check,
    workloads.check,
    kept.check,
    enumerations.check,
)


def complaints(cluster: Cluster) -> list[str]:
    """Return everything that is wrong."""
    return [said for check in CHECKS for said in check(cluster)]
