"""Which users were made of the keys, so that they can be called back: no secrets, one line of JSON each.

A user whose file is gone or was copied may still be let in: what a server is told is its public key, which nobody else remembers.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from earshot_topology import jwt


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One user.

    Attributes:
        kind: "device", "service", "skill" or "system".
        name: <household>/<device> of a device, the role of a service, the id of a skill.
        key: Its public key.
        account: The public key of its account.
        made: When, in Unix time.
        expires: When it ends by itself; 0: never.
    """

    kind: str
    name: str
    key: str
    account: str
    made: int
    expires: int = 0


def of_file(credentials: str, accounts: dict[str, str]) -> Issued:
    """Return whose a credentials file is, whoever made it.

    Args:
        credentials: Its content.
        accounts: Kinds by the public keys of their accounts.

    Raises:
        ValueError: It is no credentials file, or of no account of these.
    """
    claims = jwt.read_claims(credentials)
    account = str(claims["nats"].get("issuer_account") or claims["iss"])
    if account not in accounts:
        raise ValueError("made with other keys than those of this state folder")
    kind, name = accounts[account], str(claims["name"])
    if kind == "device":
        household = next((tag.partition(":")[2] for tag in claims["nats"].get("tags", [])), "")
        name = f"{household}/{name}"
    return Issued(
        kind=kind,
        name=name,
        key=str(claims["sub"]),
        account=account,
        made=int(claims["iat"]),
        expires=int(claims.get("exp", 0)),
    )


class Record:
    """The users that were made.

    Args:
        path: The file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, issued: Issued) -> None:
        """Remember one."""
        self._path.touch(mode=0o600)
        # One write at the end of the file: what others write at the same time stays whole.
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(issued)) + "\n")

    def all(self) -> Iterator[Issued]:
        """Yield every one, oldest first."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            # One that was cut off, by a full disk for instance, is of a user whose file was never written: it comes first.
            with contextlib.suppress(ValueError, TypeError):
                yield Issued(**json.loads(line))
