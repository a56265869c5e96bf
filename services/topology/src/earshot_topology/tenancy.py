"""Whose a message is: the household, by the subject that a device may publish to, or by what a service wrote into it."""

from __future__ import annotations

from google.protobuf.message import Message

from earshot_topology.subjects import DeviceAddress, InvalidTokenError, token

_OUTCOME = "turn.outcome."


def household_of(subject: str, message: Message | None) -> str:
    """Return a message's household; empty where nobody can tell.

    Args:
        subject: Where it was published.
        message: What it says; None where it can't be read.
    """
    parts = subject.split(".")
    try:
        if subject.startswith(_OUTCOME) and len(parts) == 5:
            return token(parts[2])
        if parts[0] == "device":
            return DeviceAddress.of(subject).household
        return token(str(getattr(getattr(message, "turn", message), "household_id", "")))
    except InvalidTokenError:
        return ""
