"""Whether rendered NetworkPolicies let a connection through, as Kubernetes says that they do.

A pod that any policy of its namespace selects for a direction is cut off in it but for what one of its policies lets through; a
connection needs leave at both ends. Addresses that are private may be a pod's, a node's or the API server's. Selectors of pods and namespaces, ports by number, and CIDR blocks are understood; nothing else is used.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from earshot_topology.policies import NAMESPACE
from support.manifests import Object, of_kind, selects

# Of a pod that is not told where it is.
_POD = "10.244.0.7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A pod with its labels in a namespace, or an address outside the cluster."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str = ""


def allowed(objects: Iterable[Object], source: Party, target: Party, port: int, protocol: str = "TCP") -> bool:
    """Tell whether a connection gets through."""
    policies = of_kind(objects, "NetworkPolicy")
    return _side(policies, source, target, ("Egress", "to"), (port, protocol)) and _side(
        policies, target, source, ("Ingress", "from"), (port, protocol)
    )


def _side(
    policies: Iterable[Object], party: Party, other: Party, direction: tuple[str, str], where: tuple[int, str]
) -> bool:
    if party.address:
        return True
    kind, peers = direction
    concerned = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == party.namespace
        and kind in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], dict(party.labels))
    ]
    if not concerned:
        return True
    return any(
        _ports(rule, where) and _peers(rule.get(peers), other, policy["metadata"]["namespace"])
        for policy in concerned
        for rule in policy["spec"].get(kind.lower(), [])
    )


def _ports(rule: Object, where: tuple[int, str]) -> bool:
    ports = rule.get("ports")
    return ports is None or where in {(each["port"], each.get("protocol", "TCP")) for each in ports}


def _peers(peers: list[Object] | None, other: Party, namespace: str) -> bool:
    return peers is None or any(_peer(each, other, namespace) for each in peers)


def _peer(peer: Object, other: Party, namespace: str) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        address = ipaddress.ip_address(other.address or _POD)
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(address in ipaddress.ip_network(hole) for hole in block.get("except", []))
    if other.address:
        return False
    namespaces = peer.get("namespaceSelector")
    if namespaces is None and other.namespace != namespace:
        return False
    if namespaces is not None and not selects(namespaces, {"kubernetes.io/metadata.name": other.namespace}):
        return False
    pods = peer.get("podSelector")
    return pods is None or selects(pods, dict(other.labels))
