"""Settings that every skill has besides the chassis's."""

from __future__ import annotations

from pydantic import Field

from earshot_chassis.addresses import EVERY, bracketed, joined
from earshot_chassis.settings import ServiceSettings


class SkillSettings(ServiceSettings):
    """What the runtime of a skill needs; read from EARSHOT_* variables."""

    skill_target: str = Field(
        "",
        description="gRPC target under which dialogue reaches this replica; empty: the address that it listens on.",
    )
    skill_weight: int = Field(1, ge=1, le=1000, description="Share of new sessions between versions of the skill.")

    scheduler_target: str = Field(
        "", description="gRPC target of the scheduler, all its replicas; needed by skills that set timers or alarms."
    )

    def target(self, port: int) -> str:
        """Return the target to register, for the port that the server listens on."""
        if self.skill_target:
            return bracketed(self.skill_target)
        return joined("127.0.0.1" if self.grpc_host in EVERY else self.grpc_host, port)
