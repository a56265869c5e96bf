"""Kubernetes network policies, made from the declared flows: whoever has one is cut off from everything else.

Namespaces outside are known by their names (`kubernetes.io/metadata.name`), pods of ours by `app.kubernetes.io/name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from earshot_topology import flows
from earshot_topology.flows import Flow

# Where services are, the one whose credential may do everything on the bus, and skills that the operator runs.
NAMESPACE: Final = "earshot"
ADMIN_NAMESPACE: Final = f"{NAMESPACE}-admin"
SKILLS_NAMESPACE: Final = f"{NAMESPACE}-skills"
# On pods of hosted skills that set timers: the operator says it, and nobody else makes pods there.
SCHEDULING_LABEL: Final = "earshot.dev/scheduler"
PART_OF: Final = {"app.kubernetes.io/part-of": "earshot"}
# Where the usual installations of what is outside run.
NAMESPACES: Final[Mapping[str, str]] = {
    flows.GATEWAY: "gateway-system",
    flows.KEDA: "keda",
    flows.PROMETHEUS: "monitoring",
}
# Of IPv6: unique local and link-local addresses.
PRIVATE_6: Final = ("fc00::/7", "fe80::/10")
PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")


def network_policy(party: str, part: str = "", *, name: str = "") -> dict[str, Any]:
    """Return the policy of one party: the flows to and from it, and no others.

    Args:
        party: A service, skill or another party in the cluster.
        part: The component that the flows belong to; empty: those of every deployment.
        name: The object's name; empty: the party's.
    """
    into, out_of = flows.of(party, part)
    return _policy(name or party, party, into, out_of)


def hosted_policy(name: str, *, scheduling: bool) -> dict[str, Any]:
    """Return the policy of one hosted skill: the flows that all of them have.

    Args:
        name: Its own, `app.kubernetes.io/name` of its pods.
        scheduling: Whether it sets timers.
    """
    policy = network_policy(flows.SCHEDULING if scheduling else flows.HOSTED, name=name)
    policy["spec"]["podSelector"] = _labels(name)
    return policy


def group_policy(group: str, part: str) -> dict[str, Any]:
    """Return what a component adds to the policies of a whole group, as one policy beside them."""
    mine = [flow for flow in flows.FLOWS if flow.part == part]
    into = [flow for flow in mine if flows.belongs(group, flow.target)]
    out_of = [flow for flow in mine if flows.belongs(group, flow.source)]
    return _policy(f"{part}-{group}", group, into, out_of, both=False)


def address_policies(part: str) -> Iterator[dict[str, Any]]:
    """Yield a policy for each flow of a component whose other end is known by its address, beside those of its pods."""
    for flow in flows.FLOWS:
        if flow.part != part:
            continue
        if flow.source in flows.BY_ADDRESS:
            yield _policy(f"{flow.target}-{flow.source}", flow.target, [flow], [], both=False)
        elif flow.target in flows.BY_ADDRESS:
            yield _policy(f"{flow.source}-{flow.target}", flow.source, [], [flow], both=False)


def deny_all() -> dict[str, Any]:
    """Return the policy of a namespace in which nothing is allowed that another policy does not name."""
    return _policy("default-deny", "", (), ())


def _policy(
    name: str, party: str, into: Iterable[Flow], out_of: Iterable[Flow], *, both: bool = True
) -> dict[str, Any]:
    ingress = [{"from": _peers(flow.source, party), "ports": _ports(flow)} for flow in into]
    egress = [{"to": _peers(flow.target, party), "ports": _ports(flow)} for flow in out_of]
    spec: dict[str, Any] = {"podSelector": _labels(party) if party else {}, "policyTypes": []}
    if both or ingress:
        spec["policyTypes"].append("Ingress")
        spec["ingress"] = ingress
    if both or egress:
        spec["policyTypes"].append("Egress")
        spec["egress"] = [rule if rule["to"] else {"ports": rule["ports"]} for rule in egress]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": dict(PART_OF)},
        "spec": spec,
    }


def _labels(party: str) -> dict[str, Any]:
    if party == flows.EVERY:
        return {"matchLabels": dict(PART_OF), "matchExpressions": [_one_of("service", "skill")]}
    if party == flows.SCHEDULING:
        return {"matchLabels": {SCHEDULING_LABEL: "true", **PART_OF}, "matchExpressions": [_one_of("skill")]}
    if party in {flows.SKILLS, flows.HOSTED}:
        return {"matchLabels": dict(PART_OF), "matchExpressions": [_one_of("skill")]}
    if party == flows.BUS:
        # Labelled by whoever installed it: our own component, or the official chart.
        return {"matchLabels": {"app.kubernetes.io/name": party}}
    return {"matchLabels": {"app.kubernetes.io/name": party, **PART_OF}}


def _one_of(*kinds: str) -> dict[str, Any]:
    return {"key": "app.kubernetes.io/component", "operator": "In", "values": list(kinds)}


def _peers(party: str, viewer: str) -> list[dict[str, Any]]:
    """Return who is meant, as the policies of another one say it; an empty list is anybody."""
    if party == flows.KUBERNETES:
        # It may have any address, a node's or a public one, and network plug-ins differ in whose block of addresses that is.
        return []
    if party in {flows.DEVICES, flows.INTERNET}:
        # Of devices too: pods and nodes have private addresses, and are none.
        everywhere = (("0.0.0.0/0", PRIVATE), ("::/0", PRIVATE_6))
        return [{"ipBlock": {"cidr": cidr, "except": list(closed)}} for cidr, closed in everywhere]
    if party == flows.DNS:
        cluster = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
        return [cluster | {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]
    if party in NAMESPACES:
        return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACES[party]}}}]
    # Groups have their pods in two places.
    members = (party, flows.HOSTED) if party in {flows.EVERY, flows.SKILLS} else (party,)
    return [_pods(member, viewer) for member in members]


def _pods(party: str, viewer: str) -> dict[str, Any]:
    peer = {"podSelector": _labels(party)}
    if _home(party) != _home(viewer):
        peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": _home(party)}}} | peer
    return peer


def _home(party: str) -> str:
    if party == flows.BUS_APPLY:
        return ADMIN_NAMESPACE
    return SKILLS_NAMESPACE if party in {flows.HOSTED, flows.SCHEDULING} else NAMESPACE


def _ports(flow: Flow) -> list[dict[str, Any]]:
    if flow.target == flows.KUBERNETES:
        return [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]
    protocols = ("UDP", "TCP") if flow.target == flows.DNS else ("TCP",)
    return [{"protocol": protocol, "port": flow.port} for protocol in protocols]
