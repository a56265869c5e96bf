"""Servers of a bus take what they are told anew of whom they let in: asked by a user of the system account, one by one.

A server reads its configuration anew, hangs up on whoever is revoked, and leaves everybody else as they are. It says of itself
what it holds of an account, so that nobody has to believe that it did.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from earshot_topology.jwt import Trust

_QUIET_S = 0.5
_REQUEST_S = 5.0
_AGAIN_S = 1.0
# Connections in one answer, each with its user's JWT of a kilobyte or so.
_PAGE = 200
_PING = "$SYS.REQ.SERVER.PING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it at one server.

    Attributes:
        server: Its name.
        trouble: Why it does not let in whom it should; empty: it does.
    """

    server: str
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lingering:
    """Who is there by a signing key that is to be ended.

    Attributes:
        kind: Whose users it signed.
        names: What their connections are called.
    """

    kind: str
    names: tuple[str, ...]


async def reload(client: Client, trust: Trust, *, servers: int = 1, patience_s: float = 10.0) -> tuple[Answer, ...]:
    """Have every server of a bus read its configuration until it holds these statements.

    Args:
        client: Connected as a user of the system account.
        trust: What each of them is to hold, and finds in its configuration.
        servers: How many there are at least.
        patience_s: How long to go on: a cluster writes a new configuration into its pods after a minute or so.

    Returns:
        What came of it, by the servers' names.
    """
    until = asyncio.get_running_loop().time() + patience_s
    while True:
        found = await _servers(client, servers)
        answers = [await _told(client, identity, name, trust) for identity, name in sorted(found.items(), key=_name)]
        if len(found) < servers:
            answers.append(Answer(server=f"{servers - len(found)} more", trouble="does not answer"))
        if not any(answer.trouble for answer in answers) or asyncio.get_running_loop().time() >= until:
            return tuple(answers)
        await asyncio.sleep(_AGAIN_S)


async def lingering(client: Client, ending: Mapping[str, str], *, servers: int = 1) -> tuple[Lingering, ...]:
    """Return who is there by signing keys that are to be ended.

    Args:
        client: Connected as a user of the system account.
        ending: The keys, and whose users they signed.
        servers: How many there are at least.
    """
    there: dict[str, list[str]] = {}
    for identity in await _servers(client, servers) if ending else ():
        connections = [each async for each in _connections(client, identity)]
        for connection in connections:
            if (kind := ending.get(connection.get("issuer_key", ""))) is not None:
                there.setdefault(kind, []).append(connection.get("name") or connection["authorized_user"])
    return tuple(Lingering(kind=kind, names=tuple(sorted(names))) for kind, names in sorted(there.items()))


async def _connections(client: Client, identity: str) -> AsyncIterator[dict[str, Any]]:
    seen = 0
    while True:
        answer = await _ask(client, identity, "CONNZ", {"auth": True, "limit": _PAGE, "offset": seen})
        page = (answer.get("data") or {}).get("connections") or []
        for connection in page:
            yield connection
        seen += len(page)
        if len(page) < _PAGE:
            return


async def _servers(client: Client, wanted: int) -> dict[str, str]:
    """Return every server's name by its id: as many as answer until none has for a while."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    await client.publish(_PING, reply=inbox)
    found: dict[str, str] = {}
    try:
        while True:
            patience_s = _QUIET_S if len(found) >= wanted else _REQUEST_S
            server = json.loads((await subscription.next_msg(timeout=patience_s)).data)["server"]
            found[server["id"]] = server["name"]
    except NatsError:
        return found
    finally:
        await subscription.unsubscribe()


async def _told(client: Client, identity: str, name: str, trust: Trust) -> Answer:
    try:
        if not await _holds(client, identity, trust):
            answer = await _ask(client, identity, "RELOAD", {})
            if error := answer.get("error"):
                return Answer(server=name, trouble=_why(str(error.get("description", error))))
            if not await _holds(client, identity, trust):
                return Answer(server=name, trouble="its configuration holds other statements still")
    except NatsError as error:
        return Answer(server=name, trouble=f"does not answer ({type(error).__name__})")
    return Answer(server=name, trouble="")


async def _holds(client: Client, identity: str, trust: Trust) -> bool:
    for account, statement in trust.accounts.items():
        # A server reads an account when somebody first needs it, for instance to tell its connections.
        await _ask(client, identity, "CONNZ", {"acc": account, "limit": 1})
        answer = await _ask(client, identity, "ACCOUNTZ", {"account": account})
        if ((answer.get("data") or {}).get("account_detail") or {}).get("jwt") != statement:
            return False
    return True


async def _ask(client: Client, identity: str, what: str, question: Mapping[str, Any]) -> dict[str, Any]:
    subject = f"$SYS.REQ.SERVER.{identity}.{what}"
    answer = await client.request(subject, json.dumps(question).encode(), timeout=_REQUEST_S)
    return dict(json.loads(answer.data))


def _name(found: tuple[str, str]) -> str:
    return found[1]


def _why(text: str) -> str:
    if "TrustedOperators" in text:
        return "takes another operator only when it is started anew"
    return " ".join(text.split())[:200]
