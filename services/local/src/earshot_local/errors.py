"""What can go wrong with a local stack.

LocalError
├── AlreadyRunningError   another stack holds the state folder
├── NotRunningError       nothing runs from the state folder
├── MissingProgramError   nats-server is not installed
├── StartError            a process did not become ready
├── UnknownProcessError   no process of the running stack is called so
├── BadCommandError       a running stack was told something that is no command
├── InvalidScaleError     --scale names no service, or no sensible number
├── UndeclaredRoleError   a service is not said what it may do on the bus
├── UnreadableKeysError   the file of keys is none
├── KeysPresentError      there are keys, which would be lost
├── UnreadableTrustError  what servers are configured with does not tell whose bus it is
└── StandingMissingError  who was called back is not known any more
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from earshot_chassis.errors import PermanentError


class LocalError(PermanentError):
    """A local stack can't do what was asked; its message is one sentence for the person at the terminal."""

    code = "local_stack"
    stage = "local"


class AlreadyRunningError(LocalError):
    """Another stack holds the state folder."""

    code = "already_running"


class NotRunningError(LocalError):
    """Nothing runs from the state folder."""

    code = "not_running"


class MissingProgramError(LocalError):
    """A program that the stack starts is not installed."""

    code = "missing_program"


class StartError(LocalError):
    """A process did not become ready."""

    code = "not_ready"


class BadCommandError(LocalError):
    """A running stack was told something that is no command."""

    code = "bad_command"


class UnknownProcessError(LocalError):
    """No process of the running stack is called so."""

    code = "not_found"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no process is called {name[:80]!r}; there are {', '.join(known)}")


class InvalidScaleError(LocalError):
    """A scale that names no service, or no sensible number of replicas."""

    code = "invalid_scale"


class UndeclaredRoleError(LocalError):
    """A service for which earshot_topology.permissions says nothing: it would be let in to the bus with nothing to do there."""

    code = "role_not_declared"


class UnreadableKeysError(LocalError):
    """The file of keys is none, or a newer version's."""

    code = "keys_unreadable"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} holds no keys that this version knows; it is left as it is: restore it, or move it away"
        )


class KeysPresentError(LocalError):
    """There are keys where others were to be made."""

    code = "keys_present"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there; keys are never overwritten: move it away if it is none of this bus")


class UnreadableTrustError(LocalError):
    """What is to be the configuration of a bus does not tell its accounts."""

    code = "trust_unreadable"

    def __init__(self) -> None:
        super().__init__(
            "it does not hold the statements of an operator and of the accounts SYSTEM, EARSHOT, DEVICES and SKILLS: "
            "give what the ConfigMap bus-trust has, or nats/trust.conf of a state folder"
        )


class StandingMissingError(LocalError):
    """Users were made, and the file that says who of them was called back is gone."""

    code = "standing_missing"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is gone, and users were made: without it whoever was called back would be let in again. Restore it; "
            'if nobody ever was, write {"revoked": {}, "retiring": {}} into it'
        )
