"""What KEDA asks for a trigger, step by step as its scalers do, so that a trigger that KEDA could not answer is found here.

nats-jetstream: `/jsz?acc=<account>&consumers=true&config=true` at the monitoring endpoint, which is asked by the account's
public key; of a cluster, `/varz` tells the nodes, and the one that leads the consumer is asked under
`<server_name>.<endpoint>` (or at the address that it advertises). prometheus: one instant query.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx

from support.browsing import browser

# Where a "host:port" of the cluster is on this machine, as a base URL.
Place = Callable[[str], str]
Get = Callable[[str], Awaitable[Any]]

_METRIC = re.compile(r"(?<![\w:])(earshot_[a-z0-9_:]+)(?:\{([^}]*)\})?")


class NotFoundByKedaError(Exception):
    """KEDA would say that a trigger is not ready, in these words."""


def monitoring(configuration: Path) -> str:
    """Return where a nats-server of a local stack tells how it is, by its configuration file."""
    found = re.search(r'http: "([^"]*)"\nhttp_base_path: "([^"]*)"', configuration.read_text())
    if found is None:
        raise ValueError(f"{configuration} tells nowhere how the server is")
    return f"http://{found[1]}{found[2]}"


async def account(server: str, name: str = "EARSHOT") -> str:
    """Return the public key of an account on a server, the services' unless another is named."""
    async with browser(timeout=30) as client:
        answer = (await client.get(f"{server}/jsz?accounts=true")).json()
    return next(str(each["id"]) for each in answer["account_details"] if each["name"] == name)


def getting(place: Place) -> Get:
    """Return what asks a cluster's addresses on this machine."""

    async def get(url: str) -> Any:
        asked = httpx.URL(url)
        async with browser(timeout=30) as client:
            answer = await client.get(place(asked.netloc.decode()) + asked.raw_path.decode())
        return answer.json()

    return get


def parameters(trigger: Mapping[str, Any], objects: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return a trigger's metadata with what its TriggerAuthentication adds from ConfigMaps and Secrets.

    Raises:
        NotFoundByKedaError: What it refers to does not exist.
    """
    found = dict(trigger["metadata"])
    reference = trigger.get("authenticationRef", {}).get("name")
    if reference is None:
        return found
    known = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    authentication = known.get(("TriggerAuthentication", reference))
    if authentication is None:
        raise NotFoundByKedaError(f"no TriggerAuthentication {reference}")
    for kind, field in (("ConfigMap", "configMapTargetRef"), ("Secret", "secretTargetRef")):
        for each in authentication["spec"].get(field, ()):
            source = known.get((kind, each["name"]))
            values = {**(source or {}).get("data", {}), **(source or {}).get("stringData", {})}
            if each["key"] not in values:
                raise NotFoundByKedaError(f"no key {each['key']} in {kind} {each['name']}")
            found[each["parameter"]] = values[each["key"]]
    return found


async def lag(metadata: Mapping[str, str], get: Get) -> int:
    """Return what KEDA takes for a consumer's lag: pending and unacknowledged messages.

    Raises:
        NotFoundByKedaError: It finds no such stream or consumer, or not the node that leads it.
    """
    account = metadata.get("accountID") or metadata.get("account")
    if not account:
        raise NotFoundByKedaError("no account name or id given")
    endpoint = metadata["natsServerMonitoringEndpoint"]
    question = f"/jsz?acc={account}&consumers=true&config=true"
    answer = await get(f"http://{endpoint}{question}")
    consumer = _consumer(answer, metadata, account)
    if (answer.get("meta_cluster") or {}).get("cluster_size", 0) > 1:
        consumer = await _at_its_leader(metadata, account, question, get)
    if consumer is None:
        raise NotFoundByKedaError(f"consumer {metadata['consumer']!r} not found in stream {metadata['stream']!r}")
    return int(consumer["num_pending"]) + int(consumer["num_ack_pending"])


async def _at_its_leader(metadata: Mapping[str, str], account: str, question: str, get: Get) -> dict[str, Any]:
    endpoint = metadata["natsServerMonitoringEndpoint"]
    port = endpoint.rpartition(":")[2]
    server = await get(f"http://{endpoint}/varz")
    advertised = server.get("connect_urls") or []
    for url in advertised or server["cluster"].get("urls", []):
        if advertised:
            host = url.split(":")[0]
            node = (await get(f"http://{host}:{port}/varz"))["server_name"]
            there = f"{host}:{port}"
        else:
            node = url.split(".")[0]
            there = f"{node}.{endpoint}"
        consumer = _consumer(await get(f"http://{there}{question}"), metadata, account)
        if consumer is not None and consumer.get("cluster", {}).get("leader") == node:
            return consumer
    raise NotFoundByKedaError(f"leader node not found for consumer {metadata['consumer']}")


def _consumer(answer: Mapping[str, Any], metadata: Mapping[str, str], account: str) -> dict[str, Any] | None:
    for each in answer.get("account_details") or ():
        if each["id"] != account and each["name"] != metadata.get("account"):
            continue
        for stream in each.get("stream_detail") or ():
            if stream["name"] == metadata["stream"]:
                for consumer in stream.get("consumer_detail") or ():
                    if consumer["name"] == metadata["consumer"]:
                        found: dict[str, Any] = consumer
                        return found
    return None


def metrics_of(query: str) -> dict[str, dict[str, str]]:
    """Return the metrics that a query names, with the labels that it asks for."""
    found = {}
    for name, labels in _METRIC.findall(query):
        pairs = (each.partition("=") for each in labels.split(",") if each.strip())
        found[name] = {label.strip(): value.strip().strip('"') for label, _, value in pairs}
    return found
