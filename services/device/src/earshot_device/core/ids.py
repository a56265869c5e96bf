"""Names of things, typed so that one can't be passed for another."""

from __future__ import annotations

from typing import NewType

TurnId = NewType("TurnId", str)
OutcomeId = NewType("OutcomeId", str)
SessionId = NewType("SessionId", str)
DirectiveId = NewType("DirectiveId", str)
EventId = NewType("EventId", str)
BootId = NewType("BootId", str)
