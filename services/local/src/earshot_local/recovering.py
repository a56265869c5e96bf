"""Keys for the accounts of a bus whose keys are lost: an account is a public key, and what servers are configured with names all of them."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

from earshot_local import standing
from earshot_local.errors import KeysPresentError, UnreadableTrustError
from earshot_local.home import Home
from earshot_local.keyfile import write_keys
from earshot_topology import jwt

_STATEMENT = re.compile(r"[\w-]+\.[\w-]{40,}\.[\w-]+")


def recover(home: Home, trust: str) -> None:
    """Make keys for accounts that there are. Whom they call back stays called back; what signed their users is good until it is retired.

    Args:
        home: A state folder without keys.
        trust: What servers are configured with, or a document that holds it.

    Raises:
        KeysPresentError: It has some.
        UnreadableTrustError: It does not hold the statements of an operator and of its four accounts.
    """
    if home.keys.exists():
        raise KeysPresentError(home.keys)
    operator, accounts = _statements(trust)
    keys = jwt.Keys.of_accounts({kind: claims["sub"] for kind, claims in accounts.items()})
    if not operator.get("strict_signing_key_usage"):
        # Users that accounts' own keys have signed stay, too, until the operator is another one again.
        keys = replace(keys, operator_signing=None)
    home.make()

    def taken(known: jwt.Standing) -> jwt.Standing:
        revoked, retiring = dict(known.revoked), dict(known.retiring)
        for kind, claims in accounts.items():
            account, nats = claims["sub"], claims["nats"]
            if called_back := {**nats.get("revocations", {}), **revoked.get(account, {})}:
                revoked[account] = called_back
            if kind == "system":
                # Whose one user is made here.
                continue
            signing = [key if isinstance(key, str) else key["key"] for key in nats.get("signing_keys", [])]
            retiring[account] = tuple(dict.fromkeys((*retiring.get(account, ()), *signing)))
        return jwt.Standing(revoked=revoked, retiring=retiring)

    standing.change(home.standing, taken)
    write_keys(home, keys)


def _statements(trust: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    kinds = {name: kind for kind, name in jwt.KINDS.items()}
    operator: dict[str, Any] = {}
    accounts: dict[str, dict[str, Any]] = {}
    for statement in _STATEMENT.findall(trust):
        try:
            claims = _claims(statement)
            nats, name = claims["nats"], claims["name"]
        except (ValueError, KeyError, TypeError):
            continue
        if nats.get("type") == "operator":
            operator = nats
        elif nats.get("type") == "account" and name in kinds:
            accounts[kinds[name]] = claims
    if not operator or accounts.keys() != jwt.KINDS.keys():
        raise UnreadableTrustError
    return operator, accounts


def _claims(statement: str) -> dict[str, Any]:
    body = statement.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
