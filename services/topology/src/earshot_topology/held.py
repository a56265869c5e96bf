"""What a bus holds, by whomever it was told, and how that differs from what is declared. No I/O.

JetStream's own API tells it to an administrator (`apply`), a nats-server's monitoring port to whoever reaches that (`reported`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nats.js.api import ConsumerConfig, StreamConfig, StreamState

from earshot_topology.declared import Declaration, Kind, declarations
from earshot_topology.drift import Drift, compare

_PREFIXES = {"KV_": Kind.BUCKET, "OBJ_": Kind.OBJECT_STORE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stream as it is.

    Attributes:
        config: Its configuration.
        state: What is in it.
        oldest_s: Age of its oldest message, in seconds; 0 of an empty one, and where nothing depends on it.
    """

    config: StreamConfig
    state: StreamState
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Everything on a bus.

    Attributes:
        streams: By their names on the server.
        consumers: Durable ones by <stream>/<durable>. What clients make for themselves, for instance to watch a bucket, belongs
            to nobody's declaration.
    """

    streams: Mapping[str, Stored] = field(default_factory=dict)
    consumers: Mapping[str, ConsumerConfig] = field(default_factory=dict)


def differences(held: Held, replicas: int) -> tuple[Drift, ...]:
    """Return how a bus differs from the declarations, in the order in which it can be mended.

    Args:
        held: What is there.
        replicas: Copies of each stream that there ought to be; 1 or 3.
    """
    found, known = [], set()
    for declaration in declarations(replicas):
        known.add((declaration.kind is Kind.CONSUMER, _key(declaration)))
        stream = held.streams.get(declaration.stream)
        of_stream = stream.config if stream is not None else None
        present = held.consumers.get(declaration.name) if declaration.kind is Kind.CONSUMER else of_stream
        if present is None or stream is None:
            found.append(_missing(declaration))
        elif (drift := compare(declaration, present, stream.state, stream.oldest_s)) is not None:
            found.append(drift)
    found += [
        _undeclared(Kind.CONSUMER, name, name.split("/", 1)[0], "its place on the stream is forgotten")
        for name in sorted(held.consumers)
        if (True, name) not in known
    ]
    for name, stream in sorted(held.streams.items()):
        if (False, name) not in known:
            kind = next((kind for prefix, kind in _PREFIXES.items() if name.startswith(prefix)), Kind.STREAM)
            shown = name if kind is Kind.STREAM else name.split("_", 1)[1]
            found.append(_undeclared(kind, shown, name, f"its {stream.state.messages} messages are deleted"))
    return tuple(found)


def keeps_less_time(config: StreamConfig) -> bool:
    """Tell whether a stream's declaration keeps messages for less time than the stream does: then their age matters."""
    return any(
        declaration.stream == config.name
        and isinstance(declaration.config, StreamConfig)
        and bool(declaration.config.max_age)
        and (not config.max_age or (declaration.config.max_age or 0) < config.max_age)
        for declaration in declarations(1)
    )


def reported(accounts: Iterable[Mapping[str, Any]]) -> Held:
    """Read what nats-servers tell of an account at `/jsz?accounts=true&streams=true&consumers=true&config=true`.

    Args:
        accounts: What each of them has below `account_details` of that account. Each tells of streams that it keeps a copy of;
            whoever leads a stream knows best what is in it.
    """
    streams: dict[str, Stored] = {}
    consumers: dict[str, ConsumerConfig] = {}
    for detail in _leaders_last(stream for account in accounts for stream in account.get("stream_detail") or []):
        config = StreamConfig.from_response(dict(detail["config"]))
        state = StreamState.from_response(dict(detail["state"]))
        oldest_s = _age_s(str(detail["state"].get("first_ts", ""))) if state.messages else 0.0
        streams[str(config.name)] = Stored(config=config, state=state, oldest_s=oldest_s)
        for consumer in detail.get("consumer_detail") or []:
            told = ConsumerConfig.from_response(dict(consumer["config"]))
            if told.durable_name:
                consumers[f"{config.name}/{consumer['name']}"] = told
    return Held(streams=streams, consumers=consumers)


def _leaders_last(details: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    def leads(detail: Mapping[str, Any]) -> bool:
        cluster = detail.get("cluster") or {}
        # Who leads is named, and is not among the others.
        return cluster.get("leader", "") not in {each["name"] for each in cluster.get("replicas") or []}

    yield from sorted(details, key=leads)


def _age_s(moment: str) -> float:
    """Return how long ago nats-server's time was, which has nanoseconds."""
    if not moment:
        return 0.0
    head, _, _ = moment.rstrip("Z").partition(".")
    return (datetime.now(UTC) - datetime.fromisoformat(f"{head}+00:00")).total_seconds()


def _key(declaration: Declaration) -> str:
    return declaration.name if declaration.kind is Kind.CONSUMER else declaration.stream


def _missing(declaration: Declaration) -> Drift:
    return Drift(
        kind=declaration.kind,
        name=declaration.name,
        stream=declaration.stream,
        missing=True,
        declaration=declaration,
    )


def _undeclared(kind: Kind, name: str, stream: str, loss: str) -> Drift:
    return Drift(kind=kind, name=name, stream=stream, undeclared=True, losses=(loss,))
