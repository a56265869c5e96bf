"""What the rendered network policies let through is what is declared, from every party to every other, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from earshot_topology import flows
from earshot_topology.flows import FLOWS, Flow
from support.manifests import BASES, NAME, PART_OF, Object, of_kind, pod_templates, render, selects
from support.network_policies import Party, allowed

PORTS = sorted({flow.port for flow in FLOWS} | {22, 80, 6443, 9090})
# Whose flows are there only with a component that the development overlay has not.
COMPONENTS = {"dev": {"", "bus"}, "prod": {"", "bus", "otel", "gateway-api", "operator"}}
BY_IPV6 = " by IPv6"
# Nobody that a flow means.
STRANGERS = {
    "somebody": Party(labels={NAME: "asr", PART_OF: "earshot"}, namespace="elsewhere"),
    "metadata service": Party(address="169.254.169.254"),
    "neighbour": Party(address="fd00::7"),
}
OUTSIDE = {
    flows.DNS: Party(labels={"k8s-app": "kube-dns"}, namespace="kube-system"),
    flows.GATEWAY: Party(namespace="gateway-system"),
    flows.KEDA: Party(namespace="keda"),
    flows.PROMETHEUS: Party(namespace="monitoring"),
    flows.INTERNET: Party(address="93.184.216.34"),
    flows.INTERNET + BY_IPV6: Party(address="2606:2800:220:1::7"),
    # The API server is no pod, and has a private address.
    flows.KUBERNETES: Party(address="10.0.0.1"),
    **STRANGERS,
}


def _parties(objects: tuple[Object, ...]) -> dict[str, Party]:
    inside = {
        workload["metadata"]["name"]: Party(labels=template["metadata"]["labels"])
        for workload, template in pod_templates(objects)
    }
    # The official chart's pods, where it is not our component that runs them.
    return {flows.BUS: Party(labels={NAME: "nats", "app.kubernetes.io/component": "nats"}), **inside, **OUTSIDE}


def _is(party: str, meant: str) -> bool:
    return party == meant or (party not in STRANGERS and flows.belongs(party.removesuffix(BY_IPV6), meant))


def _meant(flow: Flow, target: str) -> str:
    """Return whom a flow means: the API server is no pod, so that whoever talks to it may talk to all on its ports."""
    return target if flow.target == flows.KUBERNETES else flow.target


def _ports(target: str, port: int) -> set[int]:
    return {port, 6443} if target == flows.KUBERNETES else {port}


def _declared(source: str, target: str, port: int, parts: set[str]) -> bool:
    """Tell whether a connection is declared: it may leave, where the source is ours, and enter, where the target is."""
    there = [
        flow
        for flow in FLOWS
        if flow.part in parts and _is(target, _meant(flow, target)) and port in _ports(flow.target, flow.port)
    ]
    leaves = source in OUTSIDE or any(_is(source, flow.source) for flow in there)
    # Whoever comes to the bus may be a device: what lets it in is its credentials.
    enters = target in OUTSIDE or any(
        _is(source, flow.source) or flow.source == flows.DEVICES for flow in there if flow.target != flows.KUBERNETES
    )
    return leaves and enters


def _pairs(parties: dict[str, Party]) -> Iterator[tuple[str, str, int]]:
    for source, target in itertools.product(parties, parties):
        # What happens between others is theirs.
        if not (source in OUTSIDE and target in OUTSIDE):
            yield from ((source, target, port) for port in PORTS)


@pytest.mark.parametrize("overlay", COMPONENTS)
def test_what_gets_through_is_what_is_declared(overlay: str) -> None:
    """Every connection that a policy allows is a flow, and every flow is allowed, by both ends."""
    objects = render(f"overlays/{overlay}")
    parties = _parties(objects)
    assert set(BASES) <= parties.keys()
    through = {
        (source, target, port)
        for source, target, port in _pairs(parties)
        if allowed(objects, parties[source], parties[target], port)
    }
    declared = {pair for pair in _pairs(parties) if _declared(*pair, COMPONENTS[overlay])}
    assert sorted(through - declared) == []
    assert sorted(declared - through) == []
    assert len(declared) > 40


def test_prometheus_is_let_in_where_it_scrapes_and_nowhere_else() -> None:
    """The PodMonitor selects exactly the pods that declare Prometheus as a caller, at a port that they have by that number."""
    objects = render("overlays/prod")
    (monitor,) = of_kind(objects, "PodMonitor")
    scraped: dict[str, set[int]] = {}
    for workload, template in pod_templates(objects):
        if selects(monitor["spec"]["selector"], template["metadata"]["labels"]):
            ports = {each["name"]: each["containerPort"] for each in template["spec"]["containers"][0]["ports"]}
            wanted = {ports[each["port"]] for each in monitor["spec"]["podMetricsEndpoints"]}
            scraped[workload["metadata"]["name"]] = wanted
    parties = _parties(objects)
    open_to_it = {
        name: {port for port in PORTS if allowed(objects, OUTSIDE[flows.PROMETHEUS], party, port)} - {flows.BUS_PORT}
        for name, party in parties.items()
        if name not in OUTSIDE
    }
    assert scraped == {name: ports for name, ports in open_to_it.items() if ports}
    assert {*BASES, flows.OPERATOR} == scraped.keys()


def test_names_are_asked_for_by_both_protocols() -> None:
    """DNS goes over UDP, and over TCP where an answer is long."""
    objects = render("overlays/prod")
    asr = _parties(objects)["asr"]
    assert all(allowed(objects, asr, OUTSIDE[flows.DNS], 53, protocol) for protocol in ("UDP", "TCP"))
    assert not allowed(objects, asr, OUTSIDE[flows.DNS], 5353, "UDP")
