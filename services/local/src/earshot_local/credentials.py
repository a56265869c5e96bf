"""Keys and credentials files below the state folder: keys made once, users' files as they are needed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from earshot_local.home import Home
from earshot_topology import jwt
from earshot_topology.permissions import ROLES
from earshot_topology.subjects import token

SKILL_PREFIX = "skill-"


class Credentials:
    """Issues credentials files (mode 0600).

    Args:
        home: Where they are.
        skills: Ids of the skills that get a role of their own, "skill-<id>".
    """

    def __init__(self, home: Home, skills: Iterable[str] = ()) -> None:
        self._home = home
        self._skills = {f"{SKILL_PREFIX}{skill}": skill for skill in skills}
        self._keys = load_keys(home)

    @property
    def trust(self) -> jwt.Trust:
        """What the server is configured with."""
        return jwt.trust(self._keys)

    def issue_services(self) -> None:
        """Write a new user's file for every role: permissions are always those of the running code."""
        for role, permissions in ROLES.items():
            _write_private(self.service(role), jwt.service_user(self._keys, role, permissions))
        for role, skill in self._skills.items():
            _write_private(self.service(role), jwt.skill_user(self._keys.skill_signing, skill))
        _write_private(self._home.credentials / "system.creds", jwt.system_user(self._keys))

    def service(self, role: str) -> Path:
        """Return where a role's file is.

        Raises:
            KeyError: There is no such role.
        """
        if role not in ROLES and role not in self._skills and role != "system":
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
            _write_private(path, jwt.device_user(self._keys, household, device))
        return path


def load_keys(home: Home) -> jwt.Keys:
    """Return the keys of a state folder; they are made at the first call."""
    names = {field.name for field in fields(jwt.Keys)}
    if home.keys.exists():
        seeds = json.loads(home.keys.read_text())
        if seeds.keys() == names:
            return jwt.Keys(**{name: seed.encode() for name, seed in seeds.items()})
        # Keys of another layout: what they signed is refused by the server that is about to start.
        shutil.rmtree(home.credentials / "devices", ignore_errors=True)
    keys = jwt.Keys.generate()
    _write_private(home.keys, json.dumps({name: getattr(keys, name).decode() for name in sorted(names)}))
    return keys


def _write_private(path: Path, text: str) -> None:
    """Write a secret that is never readable by others, not even between two calls, and never half."""
    replacement = path.with_suffix(f".{os.getpid()}.new")
    replacement.unlink(missing_ok=True)
    replacement.touch(mode=0o600, exist_ok=False)
    replacement.write_text(text)
    replacement.replace(path)
