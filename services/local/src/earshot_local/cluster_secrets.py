"""What a cluster is told of our keys, as Kubernetes objects: whose users the bus lets in, and each service's own user.

    ConfigMap bus-trust          what nats-server is configured with: public statements; and the services' account, for KEDA
    Secret    bus-<service>      the credentials of one role
    Secret    bus-admin          those of the administrator: of the job that applies the topology, in a namespace of its own
    Secret    operator-signing   the key that signs users of skills, and nothing else

The seeds themselves stay in the state folder. Each call makes new users of what it prints; older ones are good until they
are revoked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from earshot_local.credentials import SKILL_PREFIX, SYSTEM, Credentials
from earshot_local.home import Home
from earshot_local.keyfile import load_keys
from earshot_local.nats_server import trust_section
from earshot_topology.permissions import ROLES
from earshot_topology.policies import NAMESPACE

CREDENTIALS_KEY = "user.creds"
# One machine's alone.
_LOCAL = {"tracestore"}
_SERVICES = tuple(name for name in ROLES if name not in _LOCAL)
_TRUST = "bus-trust"
_USER = "bus-"
_ADMIN = "bus-admin"
_SIGNING = "operator-signing"


def documents(
    home: Home, skills: Iterable[str], namespace: str = NAMESPACE, *, wanted: Collection[str] = (), expires: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield every object, or those of these names. Keys are made where the state folder has none.

    Args:
        home: The state folder.
        skills: Ids of the skills that are deployed by manifests; those of the operator get theirs from it.
        namespace: Where services are; the administrator is in "<namespace>-admin".
        wanted: Names of objects; none: all of them.
        expires: Unix time after which the bus lets these users in no more; 0: never.

    Raises:
        KeyError: Nothing has such a name.
    """
    for content in _documents(home, tuple(skills), wanted, expires):
        apart = "-admin" if content["metadata"]["name"] == _ADMIN else ""
        content["metadata"]["namespace"] = f"{namespace}{apart}"
        yield content


def names(kind: str, skills: Iterable[str]) -> tuple[str, ...]:
    """Return the objects that hold users of a kind, "service" or "skill", or what makes them."""
    if kind == "service":
        return tuple(f"{_USER}{role}" for role in _SERVICES)
    return (_SIGNING, *(f"{_USER}{SKILL_PREFIX}{skill}" for skill in skills))


def _documents(home: Home, skills: tuple[str, ...], wanted: Collection[str], expires: int) -> Iterator[dict[str, Any]]:
    home.make()
    credentials = Credentials(home, skills)
    keys = load_keys(home)
    signing = keys.skill_signing
    known = (_TRUST, *names("service", skills), *names("skill", skills))
    for name in wanted:
        if name not in known:
            raise KeyError(name)
    if not credentials.service(SYSTEM).exists():
        credentials.issue(SYSTEM)
    for name in known:
        if wanted and name not in wanted:
            continue
        if name == _TRUST:
            yield _object("ConfigMap", name, {"account": keys.services, "trust.conf": trust_section(credentials.trust)})
        elif name == _SIGNING:
            yield _object("Secret", name, {"account": signing.account, "seed": signing.seed.decode()})
        else:
            file = credentials.issue(name.removeprefix(_USER), expires=expires)
            yield _object("Secret", name, {CREDENTIALS_KEY: file.read_text()})


def _object(kind: str, name: str, content: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "earshot"}},
        **({"type": "Opaque", "stringData": content} if kind == "Secret" else {"data": content}),
    }
