"""The running stack, as a command in another terminal finds it: through its state folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from earshot_cli.errors import UnreachableError
from earshot_local.home import Home, Running, default_home


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running stack and its state folder."""

    home: Home
    running: Running

    def grpc(self, service: str) -> str:
        """Return a service's gRPC target.

        Raises:
            UnreachableError: The stack runs without it.
        """
        found = self.running.grpc.get(service)
        if found is None:
            raise UnreachableError(f"the running stack has no {service}")
        return found

    def device_credentials(self, household: str, device: str) -> Path:
        """Return a device's credentials file, made if need be.

        Raises:
            InvalidTokenError: The household or device can't be one.
        """
        from earshot_local.credentials import Credentials  # noqa: PLC0415 - loads cryptography that few commands need

        return Credentials(self.home).device(household, device)


def home() -> Home:
    """Return the state folder that the environment names."""
    return Home(default_home(os.environ))


def running_stack() -> Target:
    """Return the running stack.

    Raises:
        NotRunningError: None runs from the state folder.
    """
    folder = home()
    return Target(home=folder, running=folder.running())
