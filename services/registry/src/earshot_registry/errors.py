"""What can go wrong when the registry is read.

RegistryError
└── RegistryUnavailableError   registry_unavailable, try again
"""

from __future__ import annotations

from typing import ClassVar


class RegistryError(Exception):
    """Base of the registry's errors."""

    code: ClassVar[str] = "registry_error"
    retryable: ClassVar[bool] = False


class RegistryUnavailableError(RegistryError):
    """A bucket can't be listed: the bus is away, or the bucket does not exist."""

    code: ClassVar[str] = "registry_unavailable"
    retryable: ClassVar[bool] = True
