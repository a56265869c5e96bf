"""Keys and credentials files below the state folder: keys made once, users' files as they are needed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from earshot_local import issued, standing
from earshot_local.errors import StandingMissingError
from earshot_local.home import Home
from earshot_local.issued import Issued, Record
from earshot_local.keyfile import load_keys, write_keys, write_private
from earshot_topology import jwt
from earshot_topology.permissions import ROLES
from earshot_topology.subjects import token

SKILL_PREFIX = "skill-"
SYSTEM = "system"


class Credentials:
    """Issues credentials files (mode 0600), and calls back what was issued.

    Args:
        home: Where they are.
        skills: Ids of the skills that get a role of their own, "skill-<id>".

    Raises:
        UnreadableKeysError: The file of keys is none.
        StandingMissingError: Users were made, and who of them was called back is not known.
    """

    def __init__(self, home: Home, skills: Iterable[str] = ()) -> None:
        self._home = home
        self._skills = {f"{SKILL_PREFIX}{skill}": skill for skill in skills}
        self._keys = load_keys(home)
        self._record = Record(home.issued)
        if not home.standing.exists():
            if any(True for _ in self._record.all()):
                raise StandingMissingError(home.standing)
            standing.begin(home.standing)

    @property
    def trust(self) -> jwt.Trust:
        """What the server is configured with."""
        return jwt.trust(self._keys, standing.load(self._home.standing))

    @property
    def roles(self) -> tuple[str, ...]:
        """Everybody who is no device: services, skills, and who may ask the servers themselves."""
        return (*ROLES, *self._skills, SYSTEM)

    def issue_services(self) -> None:
        """Write a new user's file for every role: permissions are always those of the running code."""
        for role in self.roles:
            self.issue(role)

    def issue(self, role: str, *, expires: int = 0) -> Path:
        """Write a new user's file for a role; older ones are good as before.

        Args:
            role: Whose.
            expires: Unix time after which the server lets it in no more; 0: never.

        Raises:
            KeyError: There is no such role.
        """
        path = self.service(role)
        if role == SYSTEM:
            text = jwt.system_user(self._keys, expires=expires)
        elif role in ROLES:
            text = jwt.service_user(self._keys, role, ROLES[role], expires=expires)
        else:
            text = jwt.skill_user(self._keys.skill_signing, self._skills[role], expires=expires)
        self._write(path, text)
        return path

    def service(self, role: str) -> Path:
        """Return where a role's file is.

        Raises:
            KeyError: There is no such role.
        """
        if role not in self.roles:
            raise KeyError(role)
        return self._home.credentials / f"{role}.creds"

    def device(self, household: str, device: str) -> Path:
        """Return the file of a device's user; it is made at the first call and kept, as a paired device keeps it.

        Raises:
            InvalidTokenError: The household or device can't stand in a subject.
        """
        path = self._home.credentials / "devices" / token(household) / f"{token(device)}.creds"
        if not path.exists():
            for folder in (path.parent.parent, path.parent):
                folder.mkdir(exist_ok=True, mode=0o700)
            self._write(path, jwt.device_user(self._keys, household, device))
        return path

    # What was issued, and is not to be good any more.

    def issued(self) -> Iterator[tuple[Issued, bool]]:
        """Yield every user that was made of the present accounts, and whether it is let in no more."""
        present = standing.load(self._home.standing)
        ours = set(self._keys.accounts.values())
        for user in self._record.all():
            if user.account in ours:
                yield user, standing.is_revoked(present, user)

    def whose(self, credentials: str) -> Issued:
        """Return whose a credentials file is.

        Raises:
            ValueError: It is none, or of other keys.
        """
        return issued.of_file(credentials, {account: kind for kind, account in self._keys.accounts.items()})

    def revoke(self, users: Iterable[Issued]) -> None:
        """Call users back. Their files here are replaced by new users', but for devices', which are made when they are asked for."""
        users = list(users)
        standing.change(self._home.standing, standing.without(users))
        self._replace({user.key for user in users})

    def revoke_all(self, kind: str) -> None:
        """Call back everybody of a kind, "device", "service", "skill" or "system", as `revoke` does.

        It takes up to a second: whoever is made in the same one would not be let in either.
        """
        until = int(time.time())
        standing.change(self._home.standing, standing.without_all(self._keys.accounts[kind], until))
        time.sleep(max(0.0, until + 1 - time.time()))
        self.reissue(kind)

    def rotate(self, kind: str, *, keep: bool) -> None:
        """Sign users of a kind, "device", "service" or "skill", with a new key; `reissue` replaces their files here.

        Args:
            kind: Whose.
            keep: Whether what the old key signed is good until `retire`; else it is good no more.
        """
        account = self._keys.accounts[kind]
        self._keys, old = self._keys.renewed(kind)
        if keep:
            standing.change(self._home.standing, standing.with_retiring(account, old))
        else:
            standing.change(self._home.standing, standing.without_retiring(account))
        write_keys(self._home, self._keys)

    def reissue(self, kind: str) -> None:
        """Replace the files of everybody of a kind as `revoke` does, though nobody is called back."""
        self._replace({user.key for user in self._record.all() if user.kind == kind})

    def retire(self, kind: str) -> None:
        """End the signing keys that `rotate` left good, and with them whatever they signed."""
        standing.change(self._home.standing, standing.without_retiring(self._keys.accounts[kind]))

    def retiring(self) -> dict[str, str]:
        """Return the keys that sign no more but are good, and whose users they signed: what `rotate` left, and what an older version used."""
        present = standing.load(self._home.standing)
        own = {account: kind for kind, account in self._keys.accounts.items()} if self.older else {}
        return own | {
            key: kind for kind, account in self._keys.accounts.items() for key in present.retiring.get(account, ())
        }

    def rotate_operator(self) -> None:
        """Sign accounts with a new key, and who may ask servers themselves with another; accounts and all other users stay.

        A server takes another operator when it is started, not before.
        """
        self._keys = self._keys.with_another_operator()
        write_keys(self._home, self._keys)
        self.reissue(SYSTEM)

    @property
    def older(self) -> str:
        """What is still let in because of an older version's keys, and how that is ended; empty: nothing is."""
        if self._keys.operator_signing is not None:
            return ""
        return (
            f"{self._home.keys} was an older version's ({self._home.older_keys.name} is what it was): the accounts' own keys, "
            "which it held, still sign users. `earshot credentials rotate operator` ends that"
        )

    def _replace(self, keys: set[str]) -> None:
        for role in self.roles:
            path = self.service(role)
            if path.exists() and self._key(path) in keys:
                # For as long as the one before it was made for.
                made, ends = self._times(path)
                self.issue(role, expires=ends and int(time.time()) + ends - made)
        for path in (self._home.credentials / "devices").glob("*/*.creds"):
            if self._key(path) in keys:
                path.unlink()

    def _times(self, path: Path) -> tuple[int, int]:
        claims = jwt.read_claims(path.read_text())
        return int(claims["iat"]), int(claims.get("exp", 0))

    def _key(self, path: Path) -> str:
        try:
            return str(jwt.read_claims(path.read_text())["sub"])
        except ValueError:
            return ""

    def _write(self, path: Path, text: str) -> None:
        self._record.add(self.whose(text))
        write_private(path, text)
