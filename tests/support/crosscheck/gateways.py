"""Gateways: what the Gateway API allows of listeners, and what is attached to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from support.crosscheck.cluster import Cluster
from support.manifests import Object

# Protocol → how TLS may end there, and which routes may be attached.
_TLS = {"HTTP": set(), "HTTPS": {"Terminate"}, "TLS": {"Terminate", "Passthrough"}, "TCP": set(), "UDP": set()}
_ROUTES = {"HTTP": {"HTTPRoute", "GRPCRoute"}, "HTTPS": {"HTTPRoute", "GRPCRoute"}, "TLS": {"TLSRoute"}}
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
# What a gateway calls, as the Service says it: TLS ends before it.
_SPOKEN = {"GRPCRoute": {"kubernetes.io/h2c"}, "HTTPRoute": {None, "http"}}


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with gateways and routes."""
    gateways = {each["metadata"]["name"]: each for each in cluster.of_kind("Gateway")}
    for name, gateway in gateways.items():
        yield from (f"Gateway {name}: {said}" for said in _gateway(gateway))
    for route in cluster.of_kind("HTTPRoute", "GRPCRoute", "TLSRoute"):
        who = f"{route['kind']} {route['metadata']['name']}"
        for parent in route["spec"]["parentRefs"]:
            yield from (f"{who}: {said}" for said in _attached(route, parent, gateways))
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                yield from (f"{who}: {said}" for said in _backend(cluster, route["kind"], backend))


def _gateway(gateway: Object) -> Iterator[str]:
    listeners = gateway["spec"]["listeners"]
    names = [each["name"] for each in listeners]
    places = [(each["port"], each.get("hostname")) for each in listeners]
    if len(set(names)) != len(names) or len(set(places)) != len(places):
        yield f"two listeners are one: {places}"
    for each in listeners:
        modes = _TLS.get(each["protocol"])
        if modes is None:
            yield f"{each['name']}: nobody knows {each['protocol']}"
            continue
        tls = each.get("tls")
        if bool(modes) != (tls is not None):
            yield f"{each['name']}: {each['protocol']} with {tls}"
        elif tls is not None:
            mode = tls.get("mode", "Terminate")
            if mode not in modes or (mode == "Terminate") != bool(tls.get("certificateRefs")):
                yield f"{each['name']}: {mode} of {each['protocol']} with {tls.get('certificateRefs')}"
        if each["port"] != {"HTTP": 80, "HTTPS": 443}.get(each["protocol"], each["port"]):
            yield f"{each['name']}: {each['protocol']} at {each['port']}"
        if "hostname" in each and not _HOST.fullmatch(each["hostname"]):
            yield f"{each['name']}: {each['hostname']} is no host"
        if each.get("allowedRoutes", {}).get("namespaces", {}).get("from", "Same") != "Same":
            yield f"{each['name']}: routes are in its own namespace"


def _attached(route: Object, parent: Object, gateways: dict[str, Object]) -> Iterator[str]:
    gateway = gateways.get(parent["name"])
    section = parent.get("sectionName")
    listeners = [] if gateway is None else gateway["spec"]["listeners"]
    chosen = [each for each in listeners if section in (None, each["name"])]
    if not any(route["kind"] in _ROUTES.get(each["protocol"], set()) for each in chosen):
        yield f"no listener takes it: {parent}"


def _backend(cluster: Cluster, kind: str, backend: Object) -> Iterator[str]:
    ports = [
        port
        for service in cluster.of_kind("Service")
        if service["metadata"]["name"] == backend["name"]
        for port in service["spec"]["ports"]
        if port["port"] == backend["port"]
    ]
    if not ports:
        yield f"there is no {backend['name']}:{backend['port']}"
    elif ports[0].get("appProtocol") not in _SPOKEN[kind]:
        yield f"{backend['name']} speaks {ports[0].get('appProtocol')}"
