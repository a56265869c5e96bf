"""What the rendered network policies let through is what is declared, from every party to every other, and nothing else."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from earshot_topology import flows
from earshot_topology.flows import FLOWS, Flow
from earshot_topology.policies import NAMESPACE, SCHEDULING_LABEL, SKILLS_NAMESPACE
from support.hosted import hosted
from support.manifests import (
    BASES,
    COMPONENT,
    DEPLOY,
    NAME,
    PART_OF,
    ROOT,
    Object,
    of_kind,
    pod_templates,
    render,
    selects,
)
from support.network_policies import Party, allowed

PORTS = sorted({flow.port for flow in FLOWS} | {22, 80, 6443, 9090})
# Whose flows are there only with a component that the development overlay has not.
COMPONENTS = {
    "dev": {"", "bus", "bus-apply"},
    "prod": {"", "bus", "bus-apply", "devices", "otel", "gateway-api", "operator"},
}
BY_IPV6 = " by IPv6"
# Nobody that a flow means.
STRANGERS = {
    "somebody": Party(labels={NAME: "asr", PART_OF: "earshot"}, namespace="elsewhere"),
    "somebody's skill": Party(
        labels={COMPONENT: "skill", PART_OF: "earshot", SCHEDULING_LABEL: "true"}, namespace="elsewhere"
    ),
    "somebody's Job": Party(labels={NAME: "bus-apply", PART_OF: "earshot"}, namespace="elsewhere"),
    "node": Party(address="10.0.0.9"),
    "metadata service": Party(address="169.254.169.254"),
    "neighbour": Party(address="fd00::7"),
}
# Pods that call themselves what lets in another namespace's.
IMPOSTORS = {
    "services' apply": Party(labels={NAME: flows.BUS_APPLY, PART_OF: "earshot"}),
    "services' scheduling skill": Party(labels={SCHEDULING_LABEL: "true", PART_OF: "earshot"}),
    **{
        f"skills' {name}": Party(labels={NAME: name, PART_OF: "earshot"}, namespace=SKILLS_NAMESPACE)
        for name in ("dialogue", flows.OPERATOR, flows.BUS_APPLY, flows.BUS)
    },
    "skills' service": Party(labels={COMPONENT: "service", PART_OF: "earshot"}, namespace=SKILLS_NAMESPACE),
}
# Of the operator: whatever becomes of a Skill.
HOSTED = {"skill-trivia": flows.HOSTED, "skill-alarms": flows.SCHEDULING}
OUTSIDE = {
    flows.DNS: Party(labels={"k8s-app": "kube-dns"}, namespace="kube-system"),
    flows.GATEWAY: Party(namespace="gateway-system"),
    flows.KEDA: Party(namespace="keda"),
    flows.PROMETHEUS: Party(namespace="monitoring"),
    # Devices are somewhere there.
    flows.INTERNET: Party(address="93.184.216.34"),
    flows.INTERNET + BY_IPV6: Party(address="2606:2800:220:1::7"),
    # The API server is no pod, and has a private address.
    flows.KUBERNETES: Party(address="10.0.0.1"),
    **STRANGERS,
}


def _objects(overlay: str) -> tuple[Object, ...]:
    objects = render(f"overlays/{overlay}") + render(f"overlays/{overlay}/admin")
    if "operator" not in COMPONENTS[overlay]:
        return objects
    return objects + render(f"overlays/{overlay}/skills") + hosted("trivia") + hosted("alarms", scheduler=True)


def _parties(objects: tuple[Object, ...]) -> dict[str, Party]:
    inside = {
        HOSTED.get(workload["metadata"]["name"], workload["metadata"]["name"]): Party(
            labels=template["metadata"]["labels"], namespace=workload["metadata"]["namespace"]
        )
        for workload, template in pod_templates(objects)
    }
    # The official chart's pods, where it is not our component that runs them.
    return {flows.BUS: Party(labels={NAME: "nats", "app.kubernetes.io/component": "nats"}), **inside, **OUTSIDE} | {
        # Without an operator there is no such namespace.
        name: party
        for name, party in IMPOSTORS.items()
        if party.namespace == NAMESPACE or flows.OPERATOR in inside
    }


def _is(party: str, meant: str) -> bool:
    if party in {*IMPOSTORS, *STRANGERS}:
        return False
    party = party.removesuffix(BY_IPV6)
    return flows.belongs(party, meant) or (party, meant) == (flows.INTERNET, flows.DEVICES)


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
        if flow.part in parts
        and (_is(target, flow.target) or _meant(flow, target) == target)
        and port in _ports(flow.target, flow.port)
    ]
    leaves = source in OUTSIDE or any(_is(source, flow.source) for flow in there)
    enters = target in OUTSIDE or any(_is(source, flow.source) for flow in there if flow.target != flows.KUBERNETES)
    return leaves and enters


def _pairs(parties: dict[str, Party]) -> Iterator[tuple[str, str, int]]:
    for source, target in itertools.product(parties, parties):
        # What happens between others is theirs.
        if not (source in OUTSIDE and target in OUTSIDE):
            yield from ((source, target, port) for port in PORTS)


@pytest.mark.parametrize("overlay", COMPONENTS)
def test_what_gets_through_is_what_is_declared(overlay: str) -> None:
    """Every connection that a policy allows is a flow, and every flow is allowed, by both ends."""
    objects = _objects(overlay)
    parties = _parties(objects)
    assert {*BASES, flows.BUS_APPLY} <= parties.keys()
    assert ({*HOSTED.values()} <= parties.keys()) == (overlay == "prod")
    through = {
        (source, target, port)
        for source, target, port in _pairs(parties)
        if allowed(objects, parties[source], parties[target], port)
    }
    declared = {pair for pair in _pairs(parties) if _declared(*pair, COMPONENTS[overlay])}
    assert sorted(through - declared) == []
    assert sorted(declared - through) == []
    assert len(declared) >= 40


def test_a_skill_that_lists_private_addresses_reaches_no_service() -> None:
    """A pod's address may be among them: who is let in is said at the other end, and timers take the label of those that set them."""
    listed = hosted("greedy", egress=[{"cidr": "10.0.0.0/8", "ports": [flows.GRPC_PORT]}])
    objects = _objects("prod") + listed
    ((_, template),) = pod_templates(listed)
    greedy = Party(labels=template["metadata"]["labels"], namespace=SKILLS_NAMESPACE)
    reached = {
        name
        for name, party in _parties(objects).items()
        if name not in OUTSIDE and allowed(objects, greedy, party, flows.GRPC_PORT)
    }
    assert reached == set()


def test_addresses_are_what_the_component_has_until_an_overlay_says_more() -> None:
    """The place in the overlay changes nothing as it is shipped."""
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(render("overlays/prod"), "NetworkPolicy")}
    for part in ("operator", "devices"):
        for policy in yaml.safe_load_all((DEPLOY / "components" / part / "networkpolicy.yaml").read_text()):
            assert policies[policy["metadata"]["name"]] == policy["spec"]


def test_an_overlay_narrows_addresses_as_the_document_says(tmp_path: Path) -> None:
    """With the document's file the operator reaches the API server and no neighbour, and devices come by their balancer alone."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    document = (ROOT / "docs" / "deploy.md").read_text()
    (block,) = re.findall(r"^```\n(# overlays/prod/addresses\.yaml\n.*?)^```", document, re.DOTALL | re.MULTILINE)
    (tmp_path / "deploy" / "overlays" / "prod" / "addresses.yaml").write_text(block)
    objects = render(str(tmp_path / "deploy" / "overlays" / "prod"))
    operator, bus = (_parties(objects)[name] for name in (flows.OPERATOR, flows.BUS))
    reached = {
        (address, port)
        for address in ("10.0.0.1", "192.0.2.10", "10.0.0.9", "93.184.216.34")
        for port in (443, 6443, 22)
        if allowed(objects, operator, Party(address=address), port)
    }
    assert reached == {("10.0.0.1", 443), ("192.0.2.10", 6443)}
    let_in = {
        address
        for address in ("198.51.100.7", "10.0.8.20", "10.0.0.9", "93.184.216.34", "2606:2800:220:1::7")
        if allowed(objects, Party(address=address), bus, flows.BUS_PORT)
    }
    assert let_in == {"198.51.100.7", "10.0.8.20"}


def test_prometheus_is_let_in_where_it_scrapes_and_nowhere_else() -> None:
    """The PodMonitor selects exactly the pods that declare Prometheus as a caller, at a port that they have by that number."""
    objects = _objects("prod")
    monitors = {each["metadata"]["namespace"]: each["spec"] for each in of_kind(objects, "PodMonitor")}
    scraped: dict[str, set[int]] = {}
    for workload, template in pod_templates(objects):
        monitor = monitors.get(workload["metadata"]["namespace"])
        if monitor is not None and selects(monitor["selector"], template["metadata"]["labels"]):
            ports = {each["name"]: each["containerPort"] for each in template["spec"]["containers"][0]["ports"]}
            name = workload["metadata"]["name"]
            scraped[HOSTED.get(name, name)] = {ports[each["port"]] for each in monitor["podMetricsEndpoints"]}
    parties = _parties(objects)
    open_to_it = {
        name: {port for port in PORTS if allowed(objects, OUTSIDE[flows.PROMETHEUS], party, port)}
        for name, party in parties.items()
        if name not in {*IMPOSTORS, *OUTSIDE}
    }
    assert scraped == {name: ports for name, ports in open_to_it.items() if ports}
    assert {*BASES, flows.OPERATOR, *HOSTED.values()} == scraped.keys()


def test_names_are_asked_for_by_both_protocols() -> None:
    """DNS goes over UDP, and over TCP where an answer is long."""
    objects = render("overlays/prod")
    asr = _parties(objects)["asr"]
    assert all(allowed(objects, asr, OUTSIDE[flows.DNS], 53, protocol) for protocol in ("UDP", "TCP"))
    assert not allowed(objects, asr, OUTSIDE[flows.DNS], 5353, "UDP")
