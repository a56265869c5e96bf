"""Settings that every service has, read from EARSHOT_* variables when the composition root asks for them."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

# A server that is there but says nothing is left after three of these.
PING_INTERVAL_S = 1


def _instance() -> str:
    return f"{socket.gethostname().split('.')[0]}-{os.getpid()}"


class ServiceSettings(BaseSettings):
    """What the chassis needs. A service's own settings class inherits from it."""

    model_config = SettingsConfigDict(env_prefix="EARSHOT_", frozen=True, extra="ignore")

    nats_url: str = Field("nats://127.0.0.1:4222", description="NATS servers, comma separated.")
    nats_credentials: Path | None = Field(None, description="Credentials file of this service's NATS user.")
    nats_credentials_look_s: float = Field(
        5.0, gt=0, description="How often it looks whether that file is another one: then it connects anew, by it."
    )
    nats_ca: Path | None = Field(
        None,
        description="Authorities that sign the servers' certificates (PEM), where they speak TLS; none: the system's.",
    )
    nats_jetstream_api: str = Field(
        "$JS.API", description="Subject under which this user's account has JetStream's API, where it imports it."
    )
    instance_id: str = Field(default_factory=_instance, description="Name of this replica in logs, traces and leases.")
    grpc_host: str = Field("127.0.0.1", description="Address that the gRPC server listens on.")
    grpc_port: int = Field(0, ge=0, le=65535, description="Port of the gRPC server; 0: any free one.")
    grpc_shared_port: bool = Field(
        default=False,
        description="Let a successor on the same machine listen on the same port before this process ends.",
    )
    grpc_calls: int = Field(256, ge=1, description="gRPC calls that are served at once; others are refused.")
    http_host: str = Field("127.0.0.1", description="Address of health and metrics.")
    http_port: int = Field(0, ge=0, le=65535, description="Port of /livez, /readyz and /metrics; 0: any free one.")
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: str = Field("json", description="json or console.")
    drain_timeout_s: float = Field(15.0, gt=0, description="How long work in progress may take after SIGTERM.")
    trace_pii: bool = Field(default=False, description="Record attributes with a pii segment: what users say and hear.")

    def nats_tls(self) -> ssl.SSLContext | None:
        """Return how the servers' certificates are checked; None where `tls://` alone decides.

        Raises:
            OSError: The file can't be read, or holds no certificate.
        """
        return None if self.nats_ca is None else ssl.create_default_context(cafile=self.nats_ca)
