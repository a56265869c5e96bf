"""What a cluster is told of our keys, as Kubernetes objects: whose users the bus lets in, and each service's own user.

    ConfigMap bus-trust          what nats-server is configured with: public statements; and the services' account, for KEDA
    Secret    bus-<service>      the credentials of one role
    Secret    bus-admin          those of the administrator: of the job that applies the topology, in a namespace of its own
    Secret    operator-signing   the key that signs users of skills, and nothing else

The seeds themselves stay in the state folder. Each call makes new users; older ones are good until the keys are others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from earshot_local.credentials import SKILL_PREFIX, Credentials, load_keys
from earshot_local.home import Home
from earshot_local.nats_server import trust_section
from earshot_topology.permissions import ROLES
from earshot_topology.policies import NAMESPACE

CREDENTIALS_KEY = "user.creds"
# One machine's alone.
_LOCAL = {"tracestore"}
_ADMIN = "bus-admin"


def documents(home: Home, skills: Iterable[str], namespace: str = NAMESPACE) -> Iterator[dict[str, Any]]:
    """Yield every object. Keys are made where the state folder has none.

    Args:
        home: The state folder.
        skills: Ids of the skills that are deployed by manifests; those of the operator get theirs from it.
        namespace: Where services are; the administrator is in "<namespace>-admin".
    """
    for content in _documents(home, tuple(skills)):
        apart = "-admin" if content["metadata"]["name"] == _ADMIN else ""
        content["metadata"]["namespace"] = f"{namespace}{apart}"
        yield content


def _documents(home: Home, skills: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    home.make()
    credentials = Credentials(home, skills)
    credentials.issue_services()
    keys = load_keys(home)
    signing = keys.skill_signing
    yield _object("ConfigMap", "bus-trust", {"account": keys.services, "trust.conf": trust_section(credentials.trust)})
    for role in (*(name for name in ROLES if name not in _LOCAL), *(f"{SKILL_PREFIX}{skill}" for skill in skills)):
        yield _object("Secret", f"bus-{role}", {CREDENTIALS_KEY: credentials.service(role).read_text()})
    yield _object("Secret", "operator-signing", {"account": signing.account, "seed": signing.seed.decode()})


def _object(kind: str, name: str, content: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "earshot"}},
        **({"type": "Opaque", "stringData": content} if kind == "Secret" else {"data": content}),
    }
