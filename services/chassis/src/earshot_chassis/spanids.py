"""Span ids: random, unless somebody else has to be able to tell one (see `attempts`).

Shaped like OpenTelemetry's IdGenerator; its module takes a tenth of a second to import, which not every command has.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_WANTED: ContextVar[int | None] = ContextVar("wanted_span_id", default=None)


class SpanIds:
    """Gives the id that `wanted` names, or a random one."""

    def generate_span_id(self) -> int:
        """Return the id of the span that is being started; never zero."""
        return _WANTED.get() or random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        """Return the id of a trace that is being started; never zero."""
        return random.getrandbits(128) or 1

    def is_trace_id_random(self) -> bool:
        """Tell that trace ids are random: samplers may decide by them."""
        return True


@contextmanager
def wanted(span_id: int | None) -> Iterator[None]:
    """Give the span that a block starts an id; None: any."""
    token = _WANTED.set(span_id)
    try:
        yield
    finally:
        _WANTED.reset(token)
