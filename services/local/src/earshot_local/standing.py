"""What has become of users and signing keys of before, kept in the state folder: public, and told to every nats-server."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from earshot_local.issued import Issued
from earshot_topology.jwt import Standing

EVERYBODY = "*"


def begin(path: Path) -> None:
    """Say that nobody was called back."""
    change(path, lambda standing: standing)


def load(path: Path) -> Standing:
    """Return what a file says; nothing where there is none."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return Standing()
    retiring = {account: tuple(keys) for account, keys in content["retiring"].items()}
    return Standing(revoked=content["revoked"], retiring=retiring)


def change(path: Path, by: Callable[[Standing], Standing]) -> Standing:
    """Replace what a file says; one after the other, whoever else does."""
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        changed = by(load(path))
        replacement = path.with_suffix(".new")
        replacement.write_text(json.dumps({"revoked": changed.revoked, "retiring": changed.retiring}, indent=2))
        replacement.replace(path)
    return changed


def without(users: Iterable[Issued]) -> Callable[[Standing], Standing]:
    """Return what calls users back."""
    now = int(time.time())

    def revoke(standing: Standing) -> Standing:
        revoked = {account: dict(keys) for account, keys in standing.revoked.items()}
        for user in users:
            revoked.setdefault(user.account, {})[user.key] = max(now, user.made)
        return Standing(revoked=revoked, retiring=standing.retiring)

    return revoke


def without_all(account: str, until: int) -> Callable[[Standing], Standing]:
    """Return what calls back everybody of an account who was made until a moment; that says all that was said one by one."""

    def revoke(standing: Standing) -> Standing:
        later = {key: time for key, time in standing.revoked.get(account, {}).items() if time > until}
        return Standing(
            revoked={**standing.revoked, account: {EVERYBODY: until, **later}},
            retiring=standing.retiring,
        )

    return revoke


def with_retiring(account: str, key: str) -> Callable[[Standing], Standing]:
    """Return what leaves a signing key good that was replaced."""

    def retire(standing: Standing) -> Standing:
        keys = (*standing.retiring.get(account, ()), key)
        return Standing(revoked=standing.revoked, retiring={**standing.retiring, account: keys})

    return retire


def without_retiring(account: str) -> Callable[[Standing], Standing]:
    """Return what ends signing keys that were replaced, and with them all that they signed."""

    def end(standing: Standing) -> Standing:
        rest = {other: keys for other, keys in standing.retiring.items() if other != account}
        return Standing(revoked=standing.revoked, retiring=rest)

    return end


def is_revoked(standing: Standing, user: Issued) -> bool:
    """Tell whether a user is let in no more."""
    revoked: Mapping[str, int] = standing.revoked.get(user.account, {})
    return user.made <= max(revoked.get(user.key, -1), revoked.get(EVERYBODY, -1))
