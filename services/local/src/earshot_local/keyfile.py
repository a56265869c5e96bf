"""The file of keys in the state folder: made once, never overwritten by what can't read it, and brought along from older versions.

    {"accounts": {kind: public key}, "operator": seed, "operator_signing": seed or null, "signing": {kind: seed}}

Before, it held a seed for every account too, and services were signed with that of theirs. Such a file is set aside, for whoever goes back to
the version before; what its seeds sign is let in until the operator is another one (`jwt.Keys.operator_signing`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earshot_local.errors import UnreadableKeysError
from earshot_local.home import Home
from earshot_topology import jwt

_NAMES = {"accounts", "operator", "operator_signing", "signing"}
# Of a layout that had seeds alone: kinds by the names of their accounts' seeds, and of those of their signing keys.
_OLD_ACCOUNTS = {"system": "system", "account": "service", "device_account": "device", "skill_account": "skill"}
_OLD_SIGNING = {"devices": "device", "skills": "skill"}
_OLD_NAMES = {"operator", *_OLD_ACCOUNTS, *_OLD_SIGNING}
_OLDEST_NAMES = {"operator", "system", "account"}


def load_keys(home: Home) -> jwt.Keys:
    """Return the keys of a state folder; they are made at the first call, and those that an older version did not have.

    Raises:
        UnreadableKeysError: The file holds something else. Nobody overwrites it: it makes every device.
    """
    if not home.keys.exists():
        return _kept(home, jwt.Keys.generate())
    try:
        content: dict[str, Any] = json.loads(home.keys.read_text())
        if content.keys() == _NAMES:
            return _read(content)
        if _OLDEST_NAMES <= content.keys() <= _OLD_NAMES:
            keys = _brought_along(content)
            # Before the file is another one: whoever is interrupted here has both, and does it again.
            write_private(home.older_keys, home.keys.read_text())
            return _kept(home, keys)
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise UnreadableKeysError(home.keys) from error
    raise UnreadableKeysError(home.keys)


def write_keys(home: Home, keys: jwt.Keys) -> None:
    """Put other keys into the place of those that were read."""
    content = {
        "accounts": dict(keys.accounts),
        "operator": keys.operator.decode(),
        "operator_signing": keys.operator_signing and keys.operator_signing.decode(),
        "signing": {kind: seed.decode() for kind, seed in keys.signing.items()},
    }
    write_private(home.keys, json.dumps(content, indent=2))


def write_private(path: Path, text: str) -> None:
    """Write a secret that is never readable by others, not even between two calls, and never half."""
    replacement = path.with_suffix(f".{os.getpid()}.new")
    replacement.unlink(missing_ok=True)
    replacement.touch(mode=0o600, exist_ok=False)
    replacement.write_text(text)
    replacement.replace(path)


def _kept(home: Home, keys: jwt.Keys) -> jwt.Keys:
    write_keys(home, keys)
    return keys


def _read(content: Mapping[str, Any]) -> jwt.Keys:
    accounts, signing = content["accounts"], content["signing"]
    if accounts.keys() != jwt.KINDS.keys() or signing.keys() != jwt.KINDS.keys():
        raise ValueError("other kinds of users than this version's")
    keys = jwt.Keys(
        operator=content["operator"].encode(),
        operator_signing=content["operator_signing"] and content["operator_signing"].encode(),
        accounts={kind: str(accounts[kind]) for kind in jwt.KINDS},
        signing={kind: signing[kind].encode() for kind in jwt.KINDS},
    )
    # What is no key is found now, not when the bus is told.
    for seed in (keys.operator, keys.operator_signing or keys.operator, *keys.signing.values()):
        jwt.public(seed)
    return keys


def _brought_along(seeds: Mapping[str, str]) -> jwt.Keys:
    """Keep whose streams are whose, who signs accounts, and what signs devices and skills; the rest is made."""
    fresh = jwt.Keys.generate()
    accounts = {kind: jwt.public(seeds[name].encode()) for name, kind in _OLD_ACCOUNTS.items() if name in seeds}
    signing = {kind: seeds[name].encode() for name, kind in _OLD_SIGNING.items() if name in seeds}
    return jwt.Keys(
        operator=seeds["operator"].encode(),
        operator_signing=None,
        accounts={**fresh.accounts, **accounts},
        signing={**fresh.signing, **signing},
    )
