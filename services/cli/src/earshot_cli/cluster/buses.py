"""What nats-servers say of themselves on their monitoring port, read over connections that are forwarded to their pods.

Who may not forward ports reads through the API server's proxy, where network policies let it in.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from earshot_cli.cluster.access import Cluster, ForbiddenError, Object
from earshot_cli.cluster.forwarding import Ask, forwarded
from earshot_cli.cluster.workloads import BUS_SELECTOR

if TYPE_CHECKING:
    from earshot_topology.drift import Drift

_MONITORING = 8222


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One nats-server.

    Attributes:
        pod: Where it runs.
        version: "2.15.1".
        jetstream: Whether it keeps streams.
        control_line: The longest line with which a client may connect, in bytes.
        ahead_s: How far its clock is ahead of ours.
        unsure_s: By how much that may be wrong.
        account_consumers: Consumers that it leads, from its own account of them.
        clustered: Whether JetStream is shared with other servers.
        accounts: What it keeps of each account: its streams and their consumers, as they are configured.
    """

    pod: str
    version: str
    jetstream: bool
    control_line: int
    ahead_s: float
    unsure_s: float
    account_consumers: tuple[Lag, ...]
    clustered: bool
    accounts: tuple[Object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """What waits for a consumer.

    Attributes:
        stream: Its stream.
        durable: Its name.
        pending: Messages that nobody has taken.
        in_progress: Messages that somebody has, and has not finished.
    """

    stream: str
    durable: str
    pending: int
    in_progress: int

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def servers(cluster: Cluster) -> list[Server]:
    """Ask every nats-server pod of the namespace.

    Raises:
        CliError: They can't be listed or asked.
    """
    pods = cluster.listed(cluster.within("v1", "pods"), labelSelector=BUS_SELECTOR)
    return [
        _reached(cluster, pod["metadata"]["name"]) for pod in pods if pod.get("status", {}).get("phase") == "Running"
    ]


def lags(found: list[Server]) -> list[Lag]:
    """Return every consumer once, by stream and name: the leader's word."""
    known: dict[tuple[str, str], Lag] = {}
    for server in found:
        for lag in server.account_consumers:
            known[lag.stream, lag.durable] = lag
    return [known[key] for key in sorted(known)]


def differences(found: Iterable[Server], account: str, copies: int) -> tuple[Drift, ...]:
    """Return how what servers say that they hold differs from what is declared.

    Args:
        found: The servers.
        account: Whose streams they are; empty: it is not known, and everybody's count.
        copies: Of everything that there are to be; 1 or 3.
    """
    # Most of a second of imports, which status does not need.
    from earshot_topology import held  # noqa: PLC0415

    accounts = [
        each for server in found for each in server.accounts if account in {"", each.get("id"), each.get("name")}
    ]
    return held.differences(held.reported(accounts), copies)


def _reached(cluster: Cluster, pod: str) -> Server:
    try:
        with forwarded(cluster, pod, _MONITORING) as ask:
            return _server(pod, ask)
    except ForbiddenError:
        proxy = f"{cluster.within('v1', 'pods')}/{pod}:{_MONITORING}/proxy"
        return _server(pod, lambda path: cluster.get(f"{proxy}{path}"))


def _server(pod: str, ask: Ask) -> Server:
    began = time.time()
    general = ask("/varz")
    took_s = time.time() - began
    streams = ask("/jsz?accounts=true&streams=true&consumers=true&config=true")
    return Server(
        pod=pod,
        version=str(general.get("version", "")),
        jetstream=bool(general.get("jetstream")) and not streams.get("disabled", False),
        control_line=int(general.get("max_control_line", 0)),
        ahead_s=_moment(str(general["now"])) - (began + took_s / 2),
        unsure_s=took_s / 2,
        account_consumers=tuple(_consumers(streams)),
        clustered=bool(streams.get("meta_cluster")),
        accounts=tuple(streams.get("account_details") or []),
    )


def _consumers(content: Object) -> Iterator[Lag]:
    for account in content.get("account_details") or []:
        for stream in account.get("stream_detail") or []:
            for consumer in stream.get("consumer_detail") or []:
                if _leads(consumer) and (consumer.get("config") or {}).get("durable_name"):
                    yield Lag(
                        stream=stream["name"],
                        durable=consumer["name"],
                        pending=consumer.get("num_pending", 0),
                        in_progress=consumer.get("num_ack_pending", 0),
                    )


def _leads(consumer: Mapping[str, Any]) -> bool:
    """Tell whether who speaks is the consumer's leader: others know less than it does."""
    cluster = consumer.get("cluster") or {}
    # A server that stands alone is in no cluster; one that leads names itself, and its replicas beside it.
    return not cluster or cluster.get("leader", "") not in {each["name"] for each in cluster.get("replicas") or []}


def _moment(text: str) -> float:
    """Read nats-server's time, which has nanoseconds."""
    head, dot, tail = text.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(f"{head}+00:00").timestamp()
    return moment + (float(f"0.{tail}") if dot else 0.0)
