"""What can go wrong when the registry is read.

RegistryError
├── RegistryUnavailableError   registry_unavailable, try again
└── InvalidWordError           word_empty, word_too_long, word_malformed: a household can't call anything so
"""

from __future__ import annotations

from typing import ClassVar


class RegistryError(Exception):
    """Base of the registry's errors."""

    code: str = "registry_error"
    retryable: ClassVar[bool] = False


class RegistryUnavailableError(RegistryError):
    """A bucket can't be listed: the bus is away, or the bucket does not exist."""

    code = "registry_unavailable"
    retryable: ClassVar[bool] = True


class InvalidWordError(RegistryError):
    """A text is no word or phrase that a household may call something."""

    code = "word_malformed"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
