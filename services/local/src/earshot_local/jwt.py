"""NATS's decentralised JWTs in pure Python: who may do what is signed by keys, not listed in the server.

    operator ──signs──► account SYSTEM   the server's own events
             ──signs──► account EARSHOT  ──signs──► users of services
             ──signs──► account DEVICES  ──lists──► device signing key ──signs──► users of devices

Devices have an account of their own. Of EARSHOT it imports what devices say (as services) and what they are told (as a
stream), and nothing else exists in it. That matters because whoever asks names the subject of the answer, and neither the
server's acknowledgements nor a service's answers ask whether the asker may publish there: within one account, a device
could have an acknowledgement stored as another household's outcome. Across accounts an answer goes to a subject that
the server makes up, and then to the device's own account.

The device signing key is scoped: whatever a user claims that it signed, the server applies the template stored in
the account, with the household's tag and the user's name filled in. A leaked device key can't make a service's user.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nkeys

from earshot_topology.permissions import DEVICE_TEMPLATE, DEVICES_HEAR, DEVICES_SAY, Permissions

UNLIMITED = -1
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_LIMITS = dict.fromkeys(
    ("subs", "data", "payload", "imports", "exports", "conn", "leaf"),
    UNLIMITED,
) | {"wildcards": True}
_JETSTREAM = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), UNLIMITED)

# What one device may hold: its own subject, its inbox, and room for a firmware that subscribes more finely.
_DEVICE_LIMITS = {"subs": 16, "data": UNLIMITED, "payload": 64 * 1024}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The seeds that everything is signed with: secrets."""

    operator: bytes
    system: bytes
    account: bytes
    device_account: bytes
    devices: bytes

    @classmethod
    def generate(cls) -> Keys:
        """Make new ones."""
        return cls(
            operator=_seed(nkeys.PREFIX_BYTE_OPERATOR),
            system=_seed(nkeys.PREFIX_BYTE_ACCOUNT),
            account=_seed(nkeys.PREFIX_BYTE_ACCOUNT),
            device_account=_seed(nkeys.PREFIX_BYTE_ACCOUNT),
            devices=_seed(nkeys.PREFIX_BYTE_ACCOUNT),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the server is configured with: public, signed statements."""

    operator: str
    system_account: str
    accounts: Mapping[str, str]


def trust(keys: Keys) -> Trust:
    """Sign the operator and the three accounts."""
    system, account, device_account = _public(keys.system), _public(keys.account), _public(keys.device_account)
    template = {
        "kind": "user_scope",
        "key": _public(keys.devices),
        "role": "device",
        "template": {**_permissions(DEVICE_TEMPLATE), **_DEVICE_LIMITS},
    }
    operator_claims = {"system_account": system}
    system_claims = {"limits": _LIMITS | dict.fromkeys(_JETSTREAM, 0)}
    exports = [
        *({"name": subject, "subject": subject, "type": "service"} for subject in DEVICES_SAY),
        *({"name": subject, "subject": subject, "type": "stream"} for subject in DEVICES_HEAR),
    ]
    account_claims = {"limits": _LIMITS | _JETSTREAM, "exports": exports}
    device_claims = {
        "limits": _LIMITS | dict.fromkeys(_JETSTREAM, 0),
        "imports": [{**export, "account": account} for export in exports],
        "signing_keys": [template],
    }
    return Trust(
        operator=_sign("operator", "earshot-local", _public(keys.operator), operator_claims, keys.operator),
        system_account=system,
        accounts={
            system: _sign("account", "SYSTEM", system, system_claims, keys.operator),
            account: _sign("account", "EARSHOT", account, account_claims, keys.operator),
            device_account: _sign("account", "DEVICES", device_account, device_claims, keys.operator),
        },
    )


def service_user(keys: Keys, name: str, permissions: Permissions) -> str:
    """Return the credentials file of a service's new user."""
    claims = {**_permissions(permissions), "subs": UNLIMITED, "data": UNLIMITED, "payload": UNLIMITED}
    return _user(name, claims, account=keys.account, signer=keys.account)


def device_user(keys: Keys, household: str, device: str) -> str:
    """Return the credentials file of a device's new user; what it may do is the account's template."""
    claims = {"tags": [f"household:{household}"]}
    return _user(device, claims, account=keys.device_account, signer=keys.devices)


def system_user(keys: Keys) -> str:
    """Return the credentials file of a new user of the system account: server statistics."""
    claims = {"subs": UNLIMITED, "data": UNLIMITED, "payload": UNLIMITED}
    return _user("system", claims, account=keys.system, signer=keys.system)


def _user(name: str, claims: dict[str, Any], *, account: bytes, signer: bytes) -> str:
    seed = _seed(nkeys.PREFIX_BYTE_USER)
    if signer != account:
        claims = {**claims, "issuer_account": _public(account)}
    token = _sign("user", name, _public(seed), claims, signer)
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
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


def _sign(kind: str, name: str, subject: str, claims: Mapping[str, Any], signer: bytes) -> str:
    body: dict[str, Any] = {
        "iat": int(time.time()),
        "iss": _public(signer),
        "name": name,
        "sub": subject,
        "nats": {"type": kind, "version": 2, **claims},
    }
    digest = hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).digest()
    body["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
    signed = b".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (_HEADER, body))
    signature: bytes = nkeys.from_seed(signer).sign(signed)
    return (signed + b"." + _base64(signature)).decode()


def _seed(prefix: int) -> bytes:
    seed: bytes = nkeys.encode_seed(os.urandom(32), prefix)
    return seed


def _public(seed: bytes) -> str:
    key: bytes = nkeys.from_seed(seed).public_key
    return key.decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
