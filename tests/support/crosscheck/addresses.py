"""Addresses: every one, in variables, ConfigMaps and triggers, is a Service with that port, of the kind that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from support.crosscheck.cluster import Cluster, Container

_ADDRESS = re.compile(
    r"^(?:(?P<scheme>[a-z]+)://(?:/)?)?(?P<host>[A-Za-z0-9.-]+|\[[0-9a-f:]+\])(?::(?P<port>\d+))?(?:/\S*)?$"
)
_TARGET = re.compile(r"EARSHOT_(?!SKILL_)(\w+)_TARGET")
_SUFFIX = re.compile(r"\.svc(?:\.cluster\.local)?$")
# What is meant by a scheme: the name of the port.
_MEANT = {"dns": {"grpc"}, "nats": {"client"}, "tls": {"client"}, "http": {"http", "otlp", "web"}}
# Beside the overlays: docs/deploy.md says what has to be there. The bus of production is the official chart's.
_BESIDE = {("monitoring", "prometheus-operated"): {"web": 9090}}
_CHART = {"nats": {"client": 4222}, "nats-headless": {"client": 4222, "monitor": 8222}}
# Where devices fetch music from a cluster on the same machine.
_LOCALHOST = {"EARSHOT_MUSIC_PUBLIC_URL", "public-url"}


@dataclass(frozen=True, slots=True)
class _Address:
    who: str
    namespace: str
    name: str
    scheme: str
    host: str
    port: int | None


def check(cluster: Cluster) -> Iterator[str]:
    """Yield addresses at which nobody is."""
    services = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): {
            port["name"]: port["port"] for port in each["spec"]["ports"]
        }
        for each in cluster.of_kind("Service")
    } | _BESIDE
    if not any(name == "nats" for _, name in services):
        services |= {("earshot", name): ports for name, ports in _CHART.items()}
    public = {each.get("hostname") for gateway in cluster.of_kind("Gateway") for each in gateway["spec"]["listeners"]}
    for address in (*_in_variables(cluster), *_in_configs(cluster), *_in_triggers(cluster)):
        said = _wrong(address, services, public)
        if said:
            yield f"{address.who}: {address.name}: {said}"
    for each in cluster.containers:
        yield from (f"{each.who}: {said}" for said in (*_encrypted(each), *_own(each)))


def _in_variables(cluster: Cluster) -> Iterator[_Address]:
    for each in cluster.containers:
        for name, value in each.told.items():
            # The replica's own address.
            if name != "EARSHOT_SKILL_TARGET":
                yield from _addresses(each.who, each.namespace, name, value)
        for part in each.command:
            yield from _addresses(each.who, each.namespace, "command", part)


def _in_configs(cluster: Cluster) -> Iterator[_Address]:
    for (namespace, name), data in cluster.configs.items():
        for key, value in data.items():
            yield from _addresses(f"ConfigMap {name}", namespace, key, value)


def _in_triggers(cluster: Cluster) -> Iterator[_Address]:
    for scaled in cluster.of_kind("ScaledObject"):
        who = f"ScaledObject {scaled['metadata']['name']}"
        for trigger in scaled["spec"]["triggers"]:
            for key, value in trigger["metadata"].items():
                yield from _addresses(who, scaled["metadata"]["namespace"], key, value)


def _addresses(who: str, namespace: str, name: str, value: str) -> Iterator[_Address]:
    for part in value.split(","):
        found = _ADDRESS.match(part)
        asked = name.endswith(("_TARGET", "_URL", "-url", "-endpoint", "url", "_ENDPOINT", "serverAddress"))
        if part and asked and (found is None or not (found["scheme"] or found["port"])):
            yield _Address(who, namespace, name, "", part, None)
        elif found and (found["scheme"] or (found["port"] and asked)):
            port = int(found["port"]) if found["port"] else None
            yield _Address(who, namespace, name, found["scheme"] or "", found["host"], port)


def _wrong(address: _Address, services: dict[tuple[str, str], dict[str, int]], public: set[str | None]) -> str:
    """Return what is wrong with an address; nothing, if all is well."""
    if address.scheme == "https":
        ours = address.name.startswith("public")
        return f"the gateway has no host {address.host}" if ours and address.host not in public else ""
    if address.host == "localhost" and address.name in _LOCALHOST:
        return ""
    host = _SUFFIX.sub("", address.host).split(".")
    namespace, ports = address.namespace, services.get((address.namespace, host[-1]))
    # Of another namespace, or a pod of a headless Service.
    if len(host) > 1 and any(host[-1] == known for known, _ in services):
        namespace = host[-1]
        ports = services.get((namespace, host[-2]))
        host = host[:-1]
    if ports is None or len(host) > (2 if "headless" in host[-1] else 1):
        return f"there is no {address.host}"
    return _meant(address, host[-1], ports)


def _meant(address: _Address, service: str, ports: dict[str, int]) -> str:
    names = {name for name, port in ports.items() if port == address.port}
    if not names:
        return f"{address.host} has no port {address.port}"
    meant = _MEANT.get(address.scheme, {"monitor"} if "monitoring" in address.name else set())
    if not names & meant:
        return f"{address.scheme}: is not what {address.host} speaks at {address.port}"
    target = _TARGET.fullmatch(address.name)
    if target and target[1].lower() != service:
        return f"{service} is somebody else"
    return ""


def _encrypted(container: Container) -> Iterator[str]:
    """The bus is asked over TLS exactly where its authority is known."""
    urls = container.variables.get("EARSHOT_NATS_URL", "").split(",")
    encrypted = {url.startswith("tls://") for url in urls}
    if container.image is not None and encrypted != {"EARSHOT_NATS_CA" in container.variables}:
        yield f"with or without TLS: {urls}"


def _own(container: Container) -> Iterator[str]:
    """What a replica says of itself is what it listens on."""
    if not container.serves:
        return
    variables = container.variables
    target = variables.get("EARSHOT_SKILL_TARGET")
    if target is not None and target != f"{variables.get('POD_IP')}:{variables['EARSHOT_GRPC_PORT']}":
        yield f"it registers {target}"
    for name, value in variables.items():
        if name.endswith("_HOST") and value != "0.0.0.0":
            yield f"{name}: nobody reaches {value}"
        if name.startswith("EARSHOT_") and name.endswith("_PORT") and int(value) not in container.ports.values():
            yield f"{name}: {value} is no port of it"
