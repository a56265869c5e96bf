"""Breaks off an answer that is still being given: the user said "stop", or spoke over it."""

from __future__ import annotations

from earshot.dialogue.v1 import outcome_pb2
from earshot_dialogue.claims.chain import OutcomeChain
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.outcome import Kind, Segment
from earshot_dialogue.core.values import Fault
from earshot_topology.subjects import DeviceAddress


async def break_off(
    ledger: OutcomeLedger, address: DeviceAddress, fault: Fault, *, outcome_id: str = ""
) -> outcome_pb2.Outcome | None:
    """End a device's last answer if it is not final; return the device's last outcome as it stood.

    Its last segment is claimed in its owner's place: the owner's next one is refused, which ends the skill's call too.

    Args:
        ledger: Where outcomes are claimed.
        address: The device.
        fault: Why.
        outcome_id: The answer that is meant; empty: whichever is the last.

    Raises:
        RetryableError: The bus did not answer.
    """
    last = await ledger.last_of(address)
    if last is None or last.final or (outcome_id and last.outcome_id != outcome_id):
        return last
    subject = address.turn_outcome(last.turn.turn_id)
    chain = OutcomeChain(ledger, subject, last.turn, session_revision=last.session_revision)
    await chain.append(Segment(kind=Kind.ANSWERED, fault=fault))
    return last
