"""What the command says when it can't do what was asked: one sentence, never a traceback.

CliError
├── UnreachableError    a part of the running stack does not answer
├── NotFoundError       no such turn, file or model
├── DeviceInUseError    another process is the same device
├── BadArgumentError    an argument that can't be read
└── UsageError          likewise, of which the exit code tells, too
"""

from __future__ import annotations

from earshot_chassis.errors import EarshotError, InvalidInputError, PermanentError
from earshot_models import ModelError


class CliError(PermanentError):
    """The command can't do what was asked."""

    code = "command_failed"
    stage = "cli"


class UnreachableError(CliError):
    """A part of the running stack does not answer."""

    code = "unreachable"


class NotFoundError(CliError):
    """There is no such thing."""

    code = "not_found"


class DeviceInUseError(CliError):
    """Another process is the same device."""

    code = "device_in_use"


class BadArgumentError(InvalidInputError):
    """An argument that can't be read."""

    code = "bad_argument"
    stage = "cli"


class UsageError(BadArgumentError):
    """The command is used wrongly: it exits with 2, as for an unknown option."""

    exit_code = 2


def sentence(error: BaseException) -> tuple[str, str]:
    """Return an error's code and what to tell the person at the terminal."""
    if isinstance(error, EarshotError | ModelError):
        return error.code, str(error)
    if isinstance(error, OSError):
        what = f"{error.filename}: " if error.filename else ""
        return "os_error", f"{what}{error.strerror or error}"
    return "internal", f"this is a defect in earshot ({type(error).__name__}: {error}); EARSHOT_DEBUG=1 shows where"
