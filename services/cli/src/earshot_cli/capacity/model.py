"""From a fleet, measured figures and assumptions to pods and NATS nodes: arithmetic, and nothing else.

A bus grows by cells. Every stream has one leader, whatever the number of nodes, and every stream and bucket has a bound that
`earshot_topology` declares; households share nothing. So a fleet that is too large for one bus is split by household into
cells, each with a bus of its own and services of its own. How many there have to be, the fullest bound decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from earshot_cli.capacity import pods
from earshot_cli.capacity.assumptions import Assumptions
from earshot_cli.capacity.bounds import Bound
from earshot_cli.capacity.bounds import bounds as bounds_of
from earshot_cli.capacity.deployed import Deployed
from earshot_cli.capacity.figures import Figures
from earshot_cli.capacity.pods import ServiceNeed, needs
from earshot_cli.errors import BadArgumentError
from earshot_topology import streams

DAY_S = 86_400.0
_GIB = float(1 << 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Who is to be served.

    Attributes:
        devices: How many there are.
        turns_per_day: Of each, on average.
        peak: The busiest moment's rate over the day's mean.
    """

    devices: int
    turns_per_day: float
    peak: float

    def __post_init__(self) -> None:
        """Refuse what is no fleet.

        Raises:
            BadArgumentError: A number is not above 0, or the peak is below the mean.
        """
        if self.devices < 1 or not self.turns_per_day > 0:
            raise BadArgumentError("devices and turns a day have to be above 0")
        if not self.peak >= 1:
            raise BadArgumentError(f"a peak of {self.peak:g}: the busiest moment can't be quieter than the mean")

    @property
    def mean_turns_per_s(self) -> float:
        """Turns a second, over a day."""
        return self.devices * self.turns_per_day / DAY_S

    @property
    def peak_turns_per_s(self) -> float:
        """Turns a second, at the busiest moment."""
        return self.mean_turns_per_s * self.peak


@dataclass(frozen=True, slots=True, kw_only=True)
class BusNeed:
    """The bus.

    Attributes:
        cells: Buses that the fleet is split over.
        nodes_per_cell: nats-servers of each.
        decided_by: What the number of nodes of a cell follows from.
        connections_per_node: Connections of a node.
        memory_gib_per_node: Memory of a node.
        cores_per_node: CPU that a node uses at the busiest moment.
        bounds: What a cell has only so much of, the fullest first.
    """

    cells: int
    nodes_per_cell: int
    decided_by: str
    connections_per_node: float
    memory_gib_per_node: float
    cores_per_node: float
    bounds: tuple[Bound, ...]

    @property
    def nodes(self) -> int:
        """All nats-servers."""
        return self.cells * self.nodes_per_cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a fleet needs."""

    fleet: Fleet
    services: tuple[ServiceNeed, ...]
    bus: BusNeed

    @property
    def pods(self) -> int:
        """Pods of all services at the busiest moment."""
        return sum(need.peak for need in self.services)

    @property
    def cores(self) -> float:
        """Cores that the busiest moment uses."""
        return sum(need.cores for need in self.services)

    @property
    def requested_cores(self) -> float:
        """Cores that all pods request at the busiest moment."""
        return sum(need.peak * need.pod_cores for need in self.services)


def capacity(
    fleet: Fleet, figures: Figures, assumed: Assumptions, deployed: Sequence[Deployed], *, cells: int | None = None
) -> Capacity:
    """Work out what a fleet needs.

    Args:
        fleet: Who is to be served.
        figures: What was measured.
        assumed: What was not.
        deployed: Services, with what scales them.
        cells: Buses to split it over; none: as many as it needs.

    Raises:
        BadArgumentError: There are fewer than one cell.
    """
    if cells is not None and cells < 1:
        raise BadArgumentError(f"{cells} cells: give at least one")
    bounds = _bounds(fleet, figures, assumed, deployed)
    fullest = max(bound.share for bound in bounds if bound.remedy == "cells")
    wanted = cells or max(1, math.ceil(fullest / assumed.full))
    services = tuple(needs(fleet, figures, assumed, deployed, wanted))
    return Capacity(fleet=fleet, services=services, bus=_bus(fleet, figures, assumed, wanted, bounds, services))


def _bus(
    fleet: Fleet,
    figures: Figures,
    assumed: Assumptions,
    cells: int,
    bounds: tuple[Bound, ...],
    services: tuple[ServiceNeed, ...],
) -> BusNeed:
    bus, copies = figures.bus, int(assumed.copies)
    of_pods = sum(need.peak for need in services) * assumed.pod_connections
    connections = (fleet.devices * assumed.online + of_pods) / cells
    rate = fleet.peak_turns_per_s * assumed.retries / cells
    cores = rate * bus.cpu_s_per_turn * (assumed.copy_cost if copies > 1 else 1.0)
    cores += rate * assumed.deliveries_per_turn * bus.cpu_s_per_delivery
    cores = (cores + connections / 1_000 * bus.cores_per_thousand_idle) / assumed.machine
    each_gib = (bus.memory_kib_per_connection + assumed.tls_kib) / (1 << 20)
    # Memory streams are on as many nodes as there are copies.
    held_gib = sum(float(each.max_bytes or 0) for each in streams.STREAMS if each.storage == "memory") / _GIB
    reasons = {
        "copies of the streams": copies,
        "connections": math.ceil(connections / assumed.node_connections),
        "cores": math.ceil(cores / (assumed.node_cores * assumed.bus_busy)),
        "memory": math.ceil(
            connections * each_gib / max(0.1, assumed.node_memory_gib * assumed.node_memory_busy - held_gib)
        ),
    }
    reason = max(reasons, key=lambda name: reasons[name])
    nodes = reasons[reason]
    return BusNeed(
        cells=cells,
        nodes_per_cell=nodes,
        decided_by=reason,
        connections_per_node=connections / nodes,
        memory_gib_per_node=connections / nodes * each_gib + held_gib + bus.memory_mib / 1024,
        cores_per_node=cores / nodes,
        bounds=bounds,
    )


def _bounds(fleet: Fleet, figures: Figures, assumed: Assumptions, deployed: Sequence[Deployed]) -> tuple[Bound, ...]:
    found = [*bounds_of(fleet, figures, assumed), *pods.bounds(fleet, figures, assumed, deployed)]
    return tuple(sorted(found, key=lambda bound: -bound.share))


def breaks_first(
    result: Capacity, figures: Figures, assumed: Assumptions, deployed: Sequence[Deployed], times: float
) -> list[tuple[Bound, float]]:
    """Return the bounds that break when the fleet grows and its cells do not, and at how many devices each does."""
    fleet, cells = result.fleet, result.bus.cells
    grown = Fleet(devices=round(fleet.devices * times), turns_per_day=fleet.turns_per_day, peak=fleet.peak)
    return [
        (bound, grown.devices * cells / bound.share)
        for bound in _bounds(grown, figures, assumed, deployed)
        if bound.remedy != "nothing" and bound.share / cells > 1
    ]
