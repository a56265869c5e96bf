"""What a version kept in keys.json that had seeds alone, also those of accounts."""

from __future__ import annotations

import nkeys

from earshot_topology import jwt

_ACCOUNTS = ("system", "account", "device_account", "devices", "skill_account", "skills")


def older_keys() -> dict[str, str]:
    """Make such keys."""
    made = {name: jwt.new_seed(nkeys.PREFIX_BYTE_ACCOUNT).decode() for name in _ACCOUNTS}
    return {"operator": jwt.new_seed(nkeys.PREFIX_BYTE_OPERATOR).decode(), **made}
