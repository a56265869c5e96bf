"""Where skills run: what all of them have in common, and the operator is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What the operator knows of its surroundings.

    Attributes:
        keda: Whether KEDA is there; else a skill has as many replicas as it is to have at least.
        bus_config: ConfigMap whose key "url" is the bus.
        scheduler_target: Where skills reach the scheduler.
        prometheus_url: Where KEDA asks how many calls are in progress; empty: it scales on CPU.
        bus_monitoring: Where KEDA asks the bus for lag.
        bus_account: Whose consumers those are: the services' account, by its id.
        pull_secrets: Secrets of the namespace by which images are pulled.
        progress_deadline_s: How long a rollout may stand still before it has failed.
    """

    keda: bool
    bus_config: str
    scheduler_target: str
    prometheus_url: str
    bus_monitoring: str
    bus_account: str
    progress_deadline_s: int
    pull_secrets: tuple[str, ...] = ()
