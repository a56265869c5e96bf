"""Where skills run: what all of them have in common, and the operator is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What the operator knows of its surroundings.

    Attributes:
        bus_config: ConfigMap whose key "url" is the bus.
        scheduler_target: Where skills reach the scheduler.
        otlp_endpoint: Where they send traces; empty: nowhere.
        prometheus_url: Where KEDA asks how many calls are in progress; empty: it scales on CPU.
        monitoring_endpoint: Where KEDA asks a nats-server for lag, host and port.
        account: The account that KEDA asks for.
        progress_deadline_s: How long a rollout may stand still before it has failed.
    """

    bus_config: str
    scheduler_target: str
    otlp_endpoint: str
    prometheus_url: str
    monitoring_endpoint: str
    account: str
    progress_deadline_s: int
