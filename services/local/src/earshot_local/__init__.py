"""The whole system on one machine: nats-server, credentials, supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earshot_local.home import Home, Running, default_home
from earshot_local.plan import SERVICES, Service, parse_scale

if TYPE_CHECKING:
    from earshot_local.stack import Stack

__all__ = ["SERVICES", "Home", "Running", "Service", "Stack", "default_home", "parse_scale"]


def __getattr__(name: str) -> Any:
    """Load the stack when it is first asked for: a command that only looks at one needs neither NATS nor keys."""
    if name == "Stack":
        from earshot_local.stack import Stack  # noqa: PLC0415

        return Stack
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
