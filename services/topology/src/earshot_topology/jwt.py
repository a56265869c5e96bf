"""NATS's decentralised JWTs in pure Python: who may do what is signed by keys, not listed in the server.

    operator ──signs──► its own statement, which lists the key that signs accounts, and says that identities sign nothing
             ──signs──► account SYSTEM   ──lists──► signing key ──signs──► who asks servers themselves
             ──signs──► account EARSHOT  ──lists──► signing key ──signs──► users of services
             ──signs──► account SKILLS   ──lists──► signing key ──signs──► users of skills
             ──signs──► account DEVICES  ──lists──► signing key ──signs──► users of devices

An account is a public key, and streams belong to it. Nobody has the seed of it: it is thrown away when the account is made. So there is
no key that can't be replaced while the streams stay (ADR 0021).

Devices and skills have accounts of their own. Of EARSHOT, that of devices imports what they say (as services) and what they
are told (as a stream); that of skills what they ask of their buckets and write there (as services); and nothing else exists
in them. That matters because whoever asks names the subject of the answer, and neither the server's acknowledgements nor a
service's answers ask whether the asker may publish there: within one account, a device could have an acknowledgement stored
as another household's outcome, and a skill could have what it keeps sent to any device. Across accounts an answer goes to a
subject that the server makes up, and then to the asker's own account.

The signing keys of devices and skills are scoped: whatever a user claims that it signed, the server applies the template stored in
the account, with the household's tag and the user's name filled in. A leaked device key can't make a service's user, and
the operator, which holds the skills' key, can't make one either.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import nkeys

from earshot_topology.permissions import (
    DEVICE_TEMPLATE,
    DEVICES_HEAR,
    DEVICES_SAY,
    SKILL_TEMPLATE,
    SKILLS_LIST,
    SKILLS_SAY,
    Permissions,
    in_skills_account,
)
from earshot_topology.subjects import token

UNLIMITED = -1
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_LIMITS = dict.fromkeys(
    ("subs", "data", "payload", "imports", "exports", "conn", "leaf"),
    UNLIMITED,
) | {"wildcards": True}
_JETSTREAM = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), UNLIMITED)
_USER_LIMITS = dict.fromkeys(("subs", "data", "payload"), UNLIMITED)
_USER_JWT = re.compile(r"-----BEGIN NATS USER JWT-----\s+(\S+)\s+------END NATS USER JWT------")

# What one device may hold: its own subject, its inbox, and room for a firmware that subscribes more finely.
_DEVICE_LIMITS = {"subs": 16, "data": UNLIMITED, "payload": 64 * 1024}


# What users are, by the names of their accounts.
KINDS = {"system": "SYSTEM", "service": "EARSHOT", "device": "DEVICES", "skill": "SKILLS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The seeds that everything is signed with, which are secrets, and the accounts that there are.

    Attributes:
        operator: Signs its own statement.
        operator_signing: Signs accounts. None, in what an older version made: the operator does, and whoever has the seed of an
            account's own key may sign users of it.
        accounts: Public keys, by kinds of users.
        signing: Of what signs users, by their kinds.
    """

    operator: bytes
    operator_signing: bytes | None
    accounts: Mapping[str, str]
    signing: Mapping[str, bytes]

    @classmethod
    def generate(cls) -> Keys:
        """Make new ones."""
        return cls.of_accounts({kind: public(new_seed(nkeys.PREFIX_BYTE_ACCOUNT)) for kind in KINDS})

    @classmethod
    def of_accounts(cls, accounts: Mapping[str, str]) -> Keys:
        """Make new ones for accounts that there are."""
        return cls(
            operator=new_seed(nkeys.PREFIX_BYTE_OPERATOR),
            operator_signing=new_seed(nkeys.PREFIX_BYTE_OPERATOR),
            accounts=dict(accounts),
            signing={kind: new_seed(nkeys.PREFIX_BYTE_ACCOUNT) for kind in KINDS},
        )

    @property
    def skill_signing(self) -> SkillSigning:
        """What the operator needs of them, and no more."""
        return SkillSigning(seed=self.signing["skill"], account=self.accounts["skill"])

    @property
    def services(self) -> str:
        """Public key of the services' account, which holds every stream."""
        return self.accounts["service"]

    def renewed(self, kind: str) -> tuple[Keys, str]:
        """Return the keys with another one that signs users of a kind, and the old one's public key."""
        signing = {**self.signing, kind: new_seed(nkeys.PREFIX_BYTE_ACCOUNT)}
        return replace(self, signing=signing), public(self.signing[kind])

    def with_another_operator(self) -> Keys:
        """Return the keys with another operator, and another key for those who ask servers themselves."""
        another = Keys.of_accounts(self.accounts)
        return replace(another, signing={**self.signing, "system": another.signing["system"]})


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillSigning:
    """What makes users of skills and nothing else.

    Attributes:
        seed: Of the scoped signing key: a secret.
        account: Public key of the account that lists it.
    """

    seed: bytes
    account: str

    @property
    def public(self) -> str:
        """The key that users are signed with, as the account lists it."""
        return public(self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the server is configured with: public, signed statements."""

    operator: str
    system_account: str
    accounts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whom accounts let in no more, and whom they still do, beside their present keys: public.

    Attributes:
        revoked: By account, public keys of users and the Unix time until which they may have been made; "*" is everybody.
        retiring: Public keys of signing keys that were replaced and are good for a while, by account.
    """

    revoked: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    retiring: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def trust(keys: Keys, standing: Standing | None = None) -> Trust:
    """Sign the operator and the four accounts.

    The statements depend on their content alone, and not on when they are made: a server that is told the same again has nothing
    to do, and it takes no other operator without being started anew.

    Args:
        keys: That they are of.
        standing: What has become of users and keys of before; None: nothing.
    """
    standing = standing or Standing()
    system, account = keys.accounts["system"], keys.accounts["service"]
    operator_claims: dict[str, Any] = {"system_account": system}
    if keys.operator_signing is not None:
        # Users that an account's own key has signed are refused, and accounts that the operator's own has.
        operator_claims |= {"signing_keys": [public(keys.operator_signing)], "strict_signing_key_usage": True}

    def signing_keys(kind: str) -> tuple[str, ...]:
        return public(keys.signing[kind]), *standing.retiring.get(keys.accounts[kind], ())

    without_streams = {"limits": _LIMITS | dict.fromkeys(_JETSTREAM, 0)}
    for_devices = [
        *({"name": subject, "subject": subject, "type": "service"} for subject in DEVICES_SAY),
        *({"name": subject, "subject": subject, "type": "stream"} for subject in DEVICES_HEAR),
    ]
    for_skills = [
        {"name": subject, "subject": subject, "type": "service"}
        | ({"response_type": "Stream"} if subject in SKILLS_LIST else {})
        for subject in SKILLS_SAY
    ]
    claims: dict[str, dict[str, Any]] = {
        "system": without_streams | {"signing_keys": list(signing_keys("system"))},
        "service": {
            "limits": _LIMITS | _JETSTREAM,
            "exports": [*for_devices, *for_skills],
            "signing_keys": list(signing_keys("service")),
        },
        "device": without_streams
        | {
            "imports": [{**each, "account": account} for each in for_devices],
            "signing_keys": [_scope("device", key, DEVICE_TEMPLATE, _DEVICE_LIMITS) for key in signing_keys("device")],
        },
        "skill": without_streams
        | {
            "imports": [
                {
                    "name": subject,
                    "subject": subject,
                    "local_subject": in_skills_account(subject),
                    "type": "service",
                    "account": account,
                }
                for subject in SKILLS_SAY
            ],
            "signing_keys": [_scope("skill", key, SKILL_TEMPLATE, _USER_LIMITS) for key in signing_keys("skill")],
        },
    }

    def signed(kind: str) -> str:
        own = keys.accounts[kind]
        revoked = {"revocations": dict(standing.revoked[own])} if standing.revoked.get(own) else {}
        signer = keys.operator_signing or keys.operator
        return _sign("account", KINDS[kind], own, claims[kind] | revoked, signer, made=0)

    return Trust(
        operator=_sign("operator", "earshot-local", public(keys.operator), operator_claims, keys.operator, made=0),
        system_account=system,
        accounts={keys.accounts[kind]: signed(kind) for kind in KINDS},
    )


def service_user(keys: Keys, name: str, permissions: Permissions, *, expires: int = 0) -> str:
    """Return the credentials file of a service's new user; it expires as a skill's does."""
    claims = {**_permissions(permissions), **_USER_LIMITS}
    return _user(name, claims, account=keys.accounts["service"], signer=keys.signing["service"], expires=expires)


def device_user(keys: Keys, household: str, device: str) -> str:
    """Return the credentials file of a device's new user; what it may do is the account's template."""
    claims = {"tags": [f"household:{household}"]}
    return _user(device, claims, account=keys.accounts["device"], signer=keys.signing["device"])


def system_user(keys: Keys, *, expires: int = 0) -> str:
    """Return the credentials file of a new user of the system account: server statistics. It expires as a skill's does."""
    account, signer = keys.accounts["system"], keys.signing["system"]
    return _user("system", _USER_LIMITS, account=account, signer=signer, expires=expires)


def skill_user(signing: SkillSigning, skill_id: str, *, expires: int = 0) -> str:
    """Return the credentials file of a skill's new user; what it may do is the account's template.

    Args:
        signing: The key.
        skill_id: Whose it is.
        expires: Unix time after which the server lets it in no more, and hangs up if it is there; 0: never.

    Raises:
        InvalidTokenError: The id can't stand in a subject.
    """
    return _user(token(skill_id), {}, account=signing.account, signer=signing.seed, expires=expires)


def read_claims(credentials: str) -> dict[str, Any]:
    """Return what a credentials file says of its user; the signature is not looked at.

    Raises:
        ValueError: It is not a credentials file.
    """
    found = _USER_JWT.search(credentials)
    if found is None:
        raise ValueError("not a credentials file")
    body = found.group(1).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if not isinstance(claims, dict):
        raise ValueError("not a user's claims")  # noqa: TRY004 - whatever is wrong with it, it is the file's content
    return claims


def _scope(role: str, key: str, template: Permissions, limits: Mapping[str, int]) -> dict[str, Any]:
    return {
        "kind": "user_scope",
        "key": key,
        "role": role,
        "template": {**_permissions(template), **limits},
    }


def _user(name: str, claims: Mapping[str, Any], *, account: str, signer: bytes, expires: int = 0) -> str:
    seed = new_seed(nkeys.PREFIX_BYTE_USER)
    signed = _sign("user", name, public(seed), {**claims, "issuer_account": account}, signer, expires=expires)
    return (
        f"-----BEGIN NATS USER JWT-----\n{signed}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed.decode()}\n------END USER NKEY SEED------\n"
    )


def _permissions(permissions: Permissions) -> dict[str, Any]:
    claims: dict[str, Any] = {"pub": _side(permissions.publish), "sub": _side(permissions.subscribe)}
    if permissions.answers_requests:
        # A responder may answer where it was asked, once for each request and within five seconds.
        claims["resp"] = {"max": 1, "ttl": 5_000_000_000}
    return claims


def _side(subjects: tuple[str, ...]) -> dict[str, list[str]]:
    """Allow these subjects and no others: the server takes an empty list of allowed ones to mean everything."""
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _sign(
    kind: str,
    name: str,
    subject: str,
    claims: Mapping[str, Any],
    signer: bytes,
    *,
    expires: int = 0,
    made: int | None = None,
) -> str:
    body: dict[str, Any] = {
        "iat": int(time.time()) if made is None else made,
        "iss": public(signer),
        "name": name,
        "sub": subject,
        "nats": {"type": kind, "version": 2, **claims},
    }
    if expires:
        body["exp"] = expires
    digest = hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).digest()
    body["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
    signed = b".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (_HEADER, body))
    signature: bytes = nkeys.from_seed(signer).sign(signed)
    return (signed + b"." + _base64(signature)).decode()


def new_seed(prefix: int) -> bytes:
    """Make a key of a kind, as `nkeys` numbers them."""
    seed: bytes = nkeys.encode_seed(os.urandom(32), prefix)
    return seed


def public(seed: bytes) -> str:
    """Return the public key of a seed.

    Raises:
        ValueError: It is none.
    """
    try:
        key: bytes = nkeys.from_seed(seed).public_key
    except nkeys.NkeysError as error:
        raise ValueError(str(error)) from error
    return key.decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
