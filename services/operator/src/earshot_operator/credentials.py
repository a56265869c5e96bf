"""The bus credential of a skill: made once, kept while it is good, made anew at half of its life.

Pods are not replaced for it: their volume follows the Secret, and their connection the file (earshot_chassis.credentials). It does not
last long, because nothing here can call it back: that takes the key of the bus's own operator (ADR 0016).

It is signed with a scoped key, whose template in the account says what a skill may do: neither the operator nor whoever steals
its key can make a user that may do more.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from earshot_operator.core.objects import metadata
from earshot_operator.core.pods import CREDENTIAL_KEY
from earshot_operator.core.skill import Skill
from earshot_operator.errors import SigningKeyError
from earshot_topology.jwt import SkillSigning, read_claims, skill_user

_HOUR_S = 3_600
# So much of its life it may have left before it is made anew.
_RENEWED_AT = 1 / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential that is good.

    Attributes:
        expires: When, as Kubernetes writes times.
        secret: What has to be applied; None: it is there already.
    """

    expires: str
    secret: dict[str, Any] | None


def load_signing(folder: Path) -> SkillSigning:
    """Read the signing key.

    Raises:
        SigningKeyError: A file is missing.
    """
    try:
        seed, account = ((folder / name).read_text().strip() for name in ("seed", "account"))
    except OSError as error:
        raise SigningKeyError(f"there is no file {error.filename}, which is to hold the key for skills") from error
    return SkillSigning(seed=seed.encode(), account=account)


class Issuer:
    """Makes credentials.

    Args:
        folder: Where the signing key is; read anew each time, because it may be replaced.
        hours: How long they last.
        now: The present moment, in seconds.
    """

    def __init__(self, folder: Path, hours: float, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._life_s = hours * _HOUR_S
        self._now = now

    def credential(self, skill: Skill, secret: Mapping[str, Any] | None) -> Credential:
        """Return the skill's credential: the one that its Secret holds while that is good, else a new one.

        Raises:
            SigningKeyError: There is no key.
        """
        signing = load_signing(self._folder)
        claims = _claims(secret)
        if claims is not None and self._good(claims, skill, signing):
            return Credential(expires=_written(claims["exp"]), secret=None)
        file = skill_user(signing, skill.id, expires=int(self._now() + self._life_s))
        claims = read_claims(file)
        made = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata(skill, skill.credential),
            "type": "Opaque",
            "data": {CREDENTIAL_KEY: base64.b64encode(file.encode()).decode()},
        }
        return Credential(expires=_written(claims["exp"]), secret=made)

    def _good(self, claims: Mapping[str, Any], skill: Skill, signing: SkillSigning) -> bool:
        left = claims.get("exp", 0) - self._now()
        ours = (claims.get("name"), claims.get("iss"), claims.get("nats", {}).get("issuer_account"))
        return ours == (skill.id, signing.public, signing.account) and left > self._life_s * _RENEWED_AT


def _claims(secret: Mapping[str, Any] | None) -> dict[str, Any] | None:
    try:
        return read_claims(base64.b64decode((secret or {})["data"][CREDENTIAL_KEY]).decode())
    except (KeyError, TypeError, ValueError):
        return None


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
