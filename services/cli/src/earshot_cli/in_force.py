"""Which of all the users that were ever made somebody wants to see. Pure.

Every start of a stack makes users for its services, and those of the starts before are let in as well until they are called back. Of
each name the newest one that is let in is what counts; the others are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earshot_local.issued import Issued


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """Users by whether they are let in.

    Attributes:
        newest: Of each kind and name the newest one that is let in, oldest first.
        older: How many more are let in.
        ended: How many are let in no more: called back, or expired.
    """

    newest: tuple[Issued, ...]
    older: int
    ended: int


def in_force(found: Iterable[tuple[Issued, bool]], now: float) -> InForce:
    """Sort users, oldest first, each with whether it was called back."""
    everybody = list(found)
    let_in = [user for user, revoked in everybody if not revoked and not 0 < user.expires <= now]
    newest = {(user.kind, user.name): user for user in let_in}
    shown = tuple(user for user in let_in if newest[user.kind, user.name] is user)
    return InForce(newest=shown, older=len(let_in) - len(shown), ended=len(everybody) - len(let_in))
