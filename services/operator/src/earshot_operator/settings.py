"""Settings of the operator, read from EARSHOT_OPERATOR_* variables by the composition root."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from earshot_operator.core.platform import Platform

_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"


class OperatorSettings(BaseSettings):
    """What differs between deployments."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_OPERATOR_", frozen=True, extra="ignore")

    namespace: str = Field("earshot-skills", description="Whose Skills it looks after, and where it has its rights.")
    services_namespace: str = Field(
        "earshot", description="Where services are, and skills that manifests run: no Skill may bear their names."
    )
    signing_folder: Path = Field(
        Path("/var/run/earshot/signing"),
        description="Files seed (of the scoped signing key of skills) and account (public key of its account).",
    )
    credential_hours: float = Field(
        24.0, gt=0, le=8760, description="How long a bus credential lasts; it is made anew at half of that."
    )
    progress_deadline_s: int = Field(600, ge=1, description="How long a rollout may stand still before it has failed.")
    poll_s: float = Field(1.0, gt=0, description="How often it looks while something is under way.")
    resync_s: float = Field(60.0, gt=0, description="How often it looks when nothing is: against drift.")
    retry_s: float = Field(15.0, gt=0, description="How long it waits at most before it tries again what has failed.")
    patience_s: float = Field(
        20.0, gt=0, description="How long a deleted Skill's pods may take to go before it is told."
    )
    grpc_port: int = Field(50_051, ge=1, le=65_535, description="Where skills listen.")
    keda: bool = Field(default=True, description="Whether KEDA is there; else skills have their least replicas.")
    bus_config: str = Field("bus", description='ConfigMap whose key "url" is the bus that skills connect to.')
    scheduler_target: str = Field("dns:///scheduler.earshot:50051", description="Where skills reach the scheduler.")
    prometheus_url: str = Field("", description="Where KEDA asks for calls in progress; empty: skills scale on CPU.")
    bus_monitoring: str = Field("", description="Where KEDA asks the bus for the lag of consumers, host:port.")
    bus_account: str = Field("", description="Whose consumers those are: the services' account, by its id.")
    pull_secrets: str = Field(
        "",
        pattern=rf"^({_NAME}(,{_NAME})*)?$",
        description="Secrets of the namespace by which images of skills are pulled, separated by commas.",
    )

    def platform(self) -> Platform:
        """Return what skills are told of their surroundings."""
        return Platform(
            keda=self.keda,
            bus_config=self.bus_config,
            scheduler_target=self.scheduler_target,
            prometheus_url=self.prometheus_url,
            bus_monitoring=self.bus_monitoring,
            bus_account=self.bus_account,
            progress_deadline_s=self.progress_deadline_s,
            pull_secrets=tuple(filter(None, self.pull_secrets.split(","))),
        )
