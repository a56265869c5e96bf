"""What can go wrong with models."""

from __future__ import annotations


class ModelError(Exception):
    """One sentence for the person at the keyboard, and a stable code for programs.

    Attributes:
        code: unknown_model, source_missing, source_unknown, source_unreadable, source_unreachable, source_altered,
            model_incomplete or model_altered.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
