"""From a fleet, measured figures and assumptions to pods and NATS nodes: arithmetic, and nothing else.

A bus grows by cells. Every stream has one leader, whatever the number of nodes, and every stream and bucket has a bound that
`earshot_topology` declares; households share nothing. So a fleet that is too large for one bus is split by household into
cells, each with a bus of its own and services of its own. How many there have to be, the fullest bound decides, or the CPU of
a bus: connections and what is said to devices divide by its nodes, work on streams by the nodes that hold copies and no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from earshot_cli.capacity import pods
from earshot_cli.capacity.assumptions import Assumptions, otherwise
from earshot_cli.capacity.bounds import Bound, stream_cores
from earshot_cli.capacity.bounds import bounds as bounds_of
from earshot_cli.capacity.deployed import Deployed
from earshot_cli.capacity.figures import Figures
from earshot_cli.capacity.pods import ServiceNeed, needs
from earshot_cli.errors import BadArgumentError
from earshot_topology import streams

DAY_S = 86_400.0
# Nodes that are too small for one turn are for no number of cells.
_MOST_CELLS = 100_000
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
        cells_by: What their number follows from.
        nodes_per_cell: nats-servers of each.
        decided_by: What the number of nodes of a cell follows from.
        connections_per_node: Connections of a node.
        memory_gib_per_node: Memory of a node.
        cores_per_node: CPU that a node that holds streams uses at the busiest moment.
        stream_cores_per_node: What of it is for streams, and grows less with no number of nodes.
        overloaded: Whether it is more than a node has for it, so that only more cells or larger nodes help.
        bounds: What a cell has only so much of, the fullest first.
    """

    cells: int
    cells_by: str
    nodes_per_cell: int
    decided_by: str
    connections_per_node: float
    memory_gib_per_node: float
    cores_per_node: float
    stream_cores_per_node: float
    overloaded: bool
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
    figures = otherwise(figures, assumed)
    bounds = _bounds(fleet, figures, assumed, deployed)
    fullest = max((bound for bound in bounds if bound.remedy == "cells"), key=lambda bound: bound.share)
    least = max(1, math.ceil(fullest.share / assumed.full))
    wanted = cells or _cells(fleet, figures, assumed, deployed, least)
    by = "--cells" if cells else fullest.name if wanted == least else "cores of its nodes"
    services = tuple(needs(fleet, figures, assumed, deployed, wanted))
    bus = _bus(fleet, figures, assumed, wanted, bounds, services, by)
    return Capacity(fleet=fleet, services=services, bus=bus)


def _bus(
    fleet: Fleet,
    figures: Figures,
    assumed: Assumptions,
    cells: int,
    bounds: tuple[Bound, ...],
    services: tuple[ServiceNeed, ...],
    cells_by: str,
) -> BusNeed:
    of = _Bus.of(fleet, figures, assumed, cells, sum(need.peak for need in services))
    reasons = of.nodes()
    reason = max(reasons, key=lambda name: reasons[name])
    nodes = reasons[reason]
    return BusNeed(
        cells=cells,
        cells_by=cells_by,
        nodes_per_cell=nodes,
        decided_by=reason,
        connections_per_node=of.connections / nodes,
        memory_gib_per_node=of.connections / nodes * of.each_gib + of.held_gib + figures.bus.memory_mib / 1024,
        cores_per_node=of.stream_cores / of.holders + of.spread_cores / nodes,
        stream_cores_per_node=of.stream_cores / of.holders,
        overloaded=of.left <= 0,
        bounds=bounds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bus:
    """What one cell's bus carries at the busiest moment: cores for streams, and those that divide by its nodes."""

    assumed: Assumptions
    connections: float
    each_gib: float
    held_gib: float
    stream_cores: float
    spread_cores: float

    @classmethod
    def of(cls, fleet: Fleet, figures: Figures, assumed: Assumptions, cells: int, pods: float) -> _Bus:
        """Work it out for a fleet with so many pods, split over cells."""
        bus = figures.bus
        connections = (fleet.devices * assumed.online + pods * assumed.pod_connections) / cells
        deliveries = fleet.peak_turns_per_s * assumed.retries / cells * assumed.deliveries_per_turn
        spread = deliveries * bus.cpu_s_per_delivery + connections / 1_000 * bus.cores_per_thousand_idle
        return cls(
            assumed=assumed,
            connections=connections,
            each_gib=(bus.memory_kib_per_connection + assumed.tls_kib) / (1 << 20),
            # Memory streams are on as many nodes as there are copies.
            held_gib=sum(float(each.max_bytes or 0) for each in streams.STREAMS if each.storage == "memory") / _GIB,
            stream_cores=stream_cores(fleet.peak_turns_per_s / cells, figures, assumed),
            spread_cores=spread / assumed.machine,
        )

    @property
    def holders(self) -> int:
        """Nodes that hold the streams."""
        return int(self.assumed.copies)

    @property
    def left(self) -> float:
        """Cores of a node that streams leave to what divides by the nodes; none: no number of nodes is enough."""
        return self.assumed.node_cores * self.assumed.bus_busy - self.stream_cores / self.holders

    @property
    def fits(self) -> bool:
        """Whether nodes for its copies, connections and memory have the cores as well."""
        nodes = self.nodes()
        return self.left > 0 and nodes["cores"] <= max(many for name, many in nodes.items() if name != "cores")

    def nodes(self) -> dict[str, int]:
        """Return how many nodes each of its needs asks for."""
        assumed = self.assumed
        free_gib = max(0.1, assumed.node_memory_gib * assumed.node_memory_busy - self.held_gib)
        return {
            "copies of the streams": self.holders,
            "connections": math.ceil(self.connections / assumed.node_connections),
            "cores": math.ceil(self.spread_cores / self.left) if self.left > 0 else 0,
            "memory": math.ceil(self.connections * self.each_gib / free_gib),
        }


def _cells(fleet: Fleet, figures: Figures, assumed: Assumptions, deployed: Sequence[Deployed], least: int) -> int:
    """Return the fewest cells, not below `least`, whose nodes need not be more for their cores alone.

    More nodes in the same cells would take connections off those that hold streams, and nothing else: they would be more in all.
    """
    pods = sum(need.peak for need in needs(fleet, figures, assumed, deployed, least))
    for cells in range(least, least + _MOST_CELLS):
        if _Bus.of(fleet, figures, assumed, cells, pods).fits:
            own = sum(need.peak for need in needs(fleet, figures, assumed, deployed, cells))
            if _Bus.of(fleet, figures, assumed, cells, own).fits:
                return cells
    return least


def _bounds(fleet: Fleet, figures: Figures, assumed: Assumptions, deployed: Sequence[Deployed]) -> tuple[Bound, ...]:
    found = [*bounds_of(fleet, figures, assumed), *pods.bounds(fleet, figures, assumed, deployed)]
    return tuple(sorted(found, key=lambda bound: -bound.share))


def breaks_first(
    result: Capacity, figures: Figures, assumed: Assumptions, deployed: Sequence[Deployed], times: float
) -> list[tuple[Bound, float]]:
    """Return the bounds that break when the fleet grows and its cells do not, and at how many devices each does."""
    fleet, cells = result.fleet, result.bus.cells
    figures = otherwise(figures, assumed)
    grown = Fleet(devices=round(fleet.devices * times), turns_per_day=fleet.turns_per_day, peak=fleet.peak)
    return [
        (bound, grown.devices * cells / bound.share)
        for bound in _bounds(grown, figures, assumed, deployed)
        if bound.remedy != "nothing" and bound.share / cells > 1
    ]
