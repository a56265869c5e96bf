"""Where each declared flow is seen: in a stack on one machine, at an operator's process, or not at all, for a reason that stands here.

What stands in none of these lists has to be seen on one machine: a new flow that nothing opens fails `tests/deploy/test_flows.py`.
"""

from __future__ import annotations

from typing import Final

from earshot_topology import flows
from earshot_topology.flows import FLOWS, Flow

# Source and target of a flow.
Ends = tuple[str, str]

# Held open by an operator at work (`tests/operator/test_lives.py`).
OPERATOR: Final = frozenset({(flows.OPERATOR, flows.KUBERNETES), (flows.OPERATOR, flows.BUS)})
_NAMES = "nothing asks for names on one machine: addresses are numbers there"
_COLLECTOR = "no collector runs in the tests; on one machine the trace store stands in for it"
UNWATCHED: Final[dict[Ends, str]] = {
    (flows.EVERY, flows.DNS): _NAMES,
    (flows.COLLECTOR, flows.DNS): _NAMES,
    (flows.BUS_APPLY, flows.DNS): _NAMES,
    (flows.BUS, flows.DNS): _NAMES,
    (flows.OPERATOR, flows.DNS): _NAMES,
    (flows.COLLECTOR, flows.INTERNET): _COLLECTOR,
    (flows.OPERATOR, flows.COLLECTOR): "tests of the operator run without a collector",
    (
        flows.SCHEDULING,
        "scheduler",
    ): "no hosted skill sets timers in the tests; skill-timers, which does, has a flow of its own",
    (
        flows.OPERATOR,
        flows.HOSTED,
    ): "over before anybody could look; that the operator has asked is what its tests wait for",
    (flows.PROMETHEUS, flows.OPERATOR): "nothing scrapes the operator in the tests",
    (flows.BUS, flows.BUS): "on one machine there is one node; tests of clusters put lines of their own between nodes",
}


def ends(flow: Flow) -> Ends:
    """Return a flow's source and target."""
    return flow.source, flow.target


def on_one_machine() -> tuple[Flow, ...]:
    """Return the flows that a stack on one machine has to show: all that no other list accounts for."""
    return tuple(flow for flow in FLOWS if ends(flow) not in OPERATOR and ends(flow) not in UNWATCHED)
